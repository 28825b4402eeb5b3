/**
 * Study time in calls, on a web page.
 *
 *     import { io } from 'socket.io-client';
 *     import { startTracking, endTracking } from './study.js';
 *
 *     startTracking({ io, url: 'https://presence.example', backendUrl: 'https://api.example', token, callId: 'math-7',
 *       onDuration: ({ durationSeconds }) => { clock.textContent = `${Math.floor(durationSeconds / 60)} min`; } });
 *     // leaving the call: endTracking('math-7');
 *
 * A socket carries the session; while none can be had, HTTP beats do, and a socket that comes later goes on with the
 * same session. Several calls at once are allowed. A reload within a minute goes on with the session. The server measures, and the provider of the call has the last word.
 * Touches nothing global when imported.
 */

const SOCKET_PATIENCE_MS = 5_000;
const BEAT_MS = 45_000;
const DURATION_MS = 30_000;
/** For how long a token may be shown again: what the server allows after the last sign of life. */
const RESUME_MS = 150_000;
const KEPT_EVERY_MS = 5_000;
const FATAL = new Set(['bad_request', 'unauthorized']);

const tracked = new Map();

/**
 * See study.d.ts for every option. A call that is tracked already is not tracked twice: its `on...` hear what is known
 * and what comes. Gives back a way to stop hearing; the call's tracking ends with the last one that does.
 */
export function startTracking(options) {
  const { callId } = options;
  if (typeof callId !== 'string') throw new TypeError('startTracking needs a `callId`');
  if (!tracked.has(callId)) tracked.set(callId, track(options));
  const call = tracked.get(callId);
  const listener = { onSession: options.onSession, onDuration: options.onDuration, onStatus: options.onStatus };
  call.audience.join(listener);
  return async () => {
    if (call.audience.leave(listener) && tracked.get(callId) === call) await endTracking(callId);
  };
}

/** The user leaves the call. Resolves once the server has been told. */
export async function endTracking(callId) {
  const call = tracked.get(callId);
  tracked.delete(callId);
  await call?.end();
}

/** Whether this page tracks the call, or any call. */
export const isTracking = (callId) => (callId === undefined ? tracked.size > 0 : tracked.has(callId));

/** Hours per day: `[{date, hours, seconds, sessions}]`, the last 30 days unless `from` and `to` say otherwise. */
export async function dailyHours({ backendUrl, token, userId, from, to, tz }) {
  const given = Object.entries({ userId, from, to, tz: tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone });
  const query = new URLSearchParams(given.filter(([, value]) => value !== undefined));
  const response = await fetch(`${backendUrl}/api/study-sessions/daily?${query}`, {
    headers: { Authorization: `Bearer ${await freshOf(token)}` },
  });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return (await response.json()).data.days;
}

/** The user that a JWT speaks for, or null. */
export function subjectOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? null;
  } catch {
    return null;
  }
}

const freshOf = (token) => Promise.resolve(typeof token === 'function' ? token() : token);

/** Tells everybody; who joins later hears the latest of each kind. */
function newAudience() {
  const listeners = new Set();
  const latest = new Map();
  return {
    join(listener) {
      listeners.add(listener);
      for (const [name, said] of latest) listener[name]?.(said);
    },
    /** Whether nobody is left. */
    leave: (listener) => listeners.delete(listener) && listeners.size === 0,
    teller: (name) => (said) => {
      latest.set(name, said);
      for (const listener of [...listeners]) listener[name]?.(said);
    },
  };
}

function track({
  callId,
  url,
  backendUrl,
  token,
  path = '/socket.io/',
  transports = ['websocket', 'polling'],
  io = globalThis.io,
}) {
  const audience = newAudience();
  const [onSession, onDuration, onStatus] = ['onSession', 'onDuration', 'onStatus'].map(audience.teller);
  const storageKey = `presence.study.${callId}`;
  let via = null;
  let isOver = false;
  let startedAt = null;
  let sessionId = null;
  let sessionToken = null;
  let aliveAt = 0;
  const timers = { patience: null, beat: null, duration: null, keep: null };
  const hasSocket = typeof io === 'function' && typeof url === 'string';
  const socket = hasSocket && io(`${url}/study`, { path, transports, tryAllTransports: true, forceNew: true, reconnectionDelayMax: 30_000, auth });

  function auth(send) {
    freshOf(token).catch(() => undefined).then((fresh) => {
      // Away for longer, as after a night of sleep: what is now is a new session.
      const isRecent = Date.now() - aliveAt < RESUME_MS;
      const shown = sessionToken === null ? stored(storageKey) : isRecent ? sessionToken : null;
      send({ callId, ...(fresh && { token: fresh }), ...(shown && { sessionToken: shown }) });
    });
  }

  function began(session, carrier) {
    via = carrier;
    [sessionId, sessionToken] = [session.sessionId, session.sessionToken ?? null];
    alive();
    const isNews = startedAt !== session.startedAt;
    startedAt = session.startedAt;
    if (isNews) onSession({ ...session, callId, via });
    onStatus({ status: 'live', via });
  }

  function fallBack() {
    clearTimeout(timers.patience);
    if (isOver || via === 'http' || !backendUrl) return;
    via = 'http';
    beat();
  }

  // Over HTTP a repeated start is a beat.
  async function beat() {
    clearTimeout(timers.beat);
    if (isOver || via !== 'http') return;
    const data = await say('start');
    if (isOver || via !== 'http') return;
    if (data) began({ sessionId: data.id, sessionToken: data.sessionToken, startedAt: data.joinedAt, resumed: false }, 'http');
    else onStatus({ status: 'reconnecting', via });
    timers.beat = setTimeout(beat, BEAT_MS);
    tellOurselves();
  }

  // The socket is told the duration; over HTTP the page counts by its own clock.
  function tellOurselves() {
    clearTimeout(timers.duration);
    if (isOver || via !== 'http' || startedAt === null) return;
    const durationSeconds = Math.max(0, Math.floor((Date.now() - Date.parse(startedAt)) / 1_000));
    onDuration({ callId, durationSeconds, source: 'page' });
    timers.duration = setTimeout(tellOurselves, DURATION_MS);
  }

  // The kept token is as old as the last moment in the call: an old one would be a new session anyway.
  function keep() {
    clearTimeout(timers.keep);
    if (isOver) return;
    keepOnce();
    timers.keep = setTimeout(keep, KEPT_EVERY_MS);
  }

  function keepOnce() {
    // After a sleep a socket seems connected that is long lost.
    if (socket.connected && Date.now() - aliveAt < RESUME_MS) alive();
  }

  function alive() {
    if (isOver || sessionToken === null) return;
    aliveAt = Date.now();
    store(storageKey, sessionToken);
  }

  async function say(action, { reason, ...more } = {}) {
    const fresh = await freshOf(token).catch(() => null);
    const body = JSON.stringify({ userId: subjectOf(fresh), callId, action, ...(reason && { reason }) });
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${fresh}` };
    const target = `${backendUrl}/api/study-sessions/stream-duration`;
    const response = await fetch(target, { method: 'POST', headers, body, ...more }).catch(() => null);
    return response?.ok ? (await response.json()).data : null;
  }

  // A socket dies with the page, and its end is the server's to see; HTTP has to say it. A beacon carries no Bearer.
  function onPageHide({ persisted }) {
    if (via === 'socket') keepOnce();
    // It may be a reload: the page that follows goes on with the session.
    if (!persisted && via === 'http') say('end', { keepalive: true, reason: 'pageClose' });
  }

  async function end() {
    if (isOver) return;
    if (via === 'socket' && socket.connected) await socket.timeout(SOCKET_PATIENCE_MS).emitWithAck('end').catch(() => null);
    else if (via === 'http') await say('end', { keepalive: true });
    isOver = true;
    for (const timer of Object.values(timers)) clearTimeout(timer);
    globalThis.removeEventListener?.('pagehide', onPageHide);
    store(storageKey, null);
    if (socket) socket.disconnect();
    onStatus({ status: 'ended', via });
  }

  globalThis.addEventListener?.('pagehide', onPageHide);
  onStatus({ status: 'connecting', via });
  if (socket) {
    socket.on('session', (session) => {
      clearTimeout(timers.patience);
      clearTimeout(timers.beat);
      // The last beat may be long ago: this one reaches to the socket's beginning.
      if (via === 'http' && session.sessionId === sessionId) say('start');
      began(session, 'socket');
      keep();
    });
    socket.on('duration', (said) => isOver || onDuration(said));
    socket.on('disconnect', () => {
      if (isOver) return;
      onStatus({ status: 'reconnecting', via });
      timers.patience = setTimeout(fallBack, SOCKET_PATIENCE_MS);
    });
    socket.on('connect_error', (cause) => {
      if (isOver) return;
      const isFatal = FATAL.has(cause.data?.code);
      onStatus({ status: isFatal ? 'refused' : 'reconnecting', via });
      if (isFatal) clearTimeout(timers.patience);
    });
    timers.patience = setTimeout(fallBack, SOCKET_PATIENCE_MS);
  } else {
    fallBack();
  }
  return { end, audience };
}

// The session's token outlives a reload, and no more: it is this tab's.
function stored(key) {
  try {
    const kept = JSON.parse(globalThis.sessionStorage?.getItem(key) ?? 'null');
    return kept !== null && Date.now() - kept.at < RESUME_MS ? kept.token : null;
  } catch {
    return null;
  }
}

function store(key, token) {
  try {
    if (token === null) globalThis.sessionStorage?.removeItem(key);
    else globalThis.sessionStorage?.setItem(key, JSON.stringify({ token, at: Date.now() }));
  } catch {
    // Storage is blocked: a reload is then a new session.
  }
}
