/**
 * A listening session on a web page.
 *
 *     import { io } from 'socket.io-client';
 *     import { startListeningSession, endListeningSession } from './listening.js';
 *
 *     const session = startListeningSession({
 *       io, url: 'https://presence.example', backendUrl: 'https://api.example', channelId: 'jazz-fm',
 *     });
 *     // playing stopped: endListeningSession(session);
 *
 * A socket carries the session; while none can be had, HTTP does. It ends with the page, and a reload within seconds
 * goes on with it. Times are measured by the server. Touches nothing global when imported.
 */

export { persistentViewerId } from './identity.js';

const SOCKET_PATIENCE_MS = 5_000;
const BEAT_MS = 45_000;
const RETRY_MS = 10_000;
/** For how long a token may be shown again: what the server allows after the last sign of life. */
const RESUME_MS = 150_000;
const KEPT_EVERY_MS = 5_000;
/** When a duplicate of this page closed: surely after its beacon, and within the server's grace of 15 s. */
const DUPLICATE_MS = 5_000;
const FATAL = new Set(['bad_request', 'unauthorized']);

/** See listening.d.ts for every option. Returns a handle for `updateListeningSession` and `endListeningSession`. */
export function startListeningSession({
  url,
  backendUrl,
  channelId,
  streamId,
  showId,
  listenerId,
  token,
  path = '/socket.io/',
  transports = ['websocket', 'polling'],
  io = globalThis.io,
  onSession = () => {},
  onStatus = () => {},
}) {
  if (typeof channelId !== 'string') throw new TypeError('startListeningSession needs a `channelId`');
  const what = { channelId, ...(streamId && { streamId }), ...(showId && { showId }), ...(listenerId && { listenerId }) };
  const storageKey = `presence.listening.${channelId}`;
  // What a page of this tab played a moment ago; tried once, and by the server's word gone on with.
  let kept = keptSession(storageKey);
  let current = null;
  let sessionToken = null;
  let aliveAt = 0;
  let via = null;
  let isOver = false;
  let status = null;
  const timers = { patience: null, beat: null, keep: null };
  // Over HTTP a duplicate of this tab has the same session, and its close would end it under this one.
  const duplicates = typeof BroadcastChannel === 'function' ? new BroadcastChannel('presence.listening') : null;
  const hasSocket = typeof io === 'function' && typeof url === 'string';
  const socket = hasSocket && io(`${url}/listening`, { path, transports, tryAllTransports: true, forceNew: true, reconnectionDelayMax: 30_000, auth });

  function auth(send) {
    // Away for longer, as after a night of sleep: what plays now is a new session.
    const isRecent = Date.now() - aliveAt < RESUME_MS;
    const shown = current === null ? kept?.token : isRecent ? sessionToken : null;
    freshToken().then((fresh) => send({ ...what, ...(fresh && { token: fresh }), ...(shown && { sessionToken: shown }) }));
  }

  function freshToken() {
    return Promise.resolve(typeof token === 'function' ? token() : token).catch(() => undefined);
  }

  function say(next, error) {
    if (status === next) return;
    status = next;
    onStatus({ status: next, via, ...(error && { error }) });
  }

  function take(session, carrier) {
    if (isOver) return;
    const isNews = current?.sessionId !== session.sessionId;
    current = session;
    sessionToken = session.sessionToken;
    [kept, via, aliveAt] = [null, carrier, Date.now()];
    keepOnce();
    keep();
    if (isNews) onSession({ ...session, via });
    status = null;
    say('live');
  }

  // The kept token is as old as the last moment of playing: an old one would be a new session anyway.
  function keep() {
    clearTimeout(timers.keep);
    if (isOver || current === null) return;
    if (socket?.connected) keepOnce();
    timers.keep = setTimeout(keep, KEPT_EVERY_MS);
  }

  function onSocketSession(session) {
    clearTimeout(timers.patience);
    clearTimeout(timers.beat);
    // The last beat may be long ago: this one reaches to the socket's beginning.
    if (via === 'http' && current !== null) call(`/listening-sessions/${current.sessionId}`, 'PATCH', { sessionToken });
    take(session, 'socket');
  }

  function fallBack() {
    clearTimeout(timers.patience);
    if (isOver || via === 'http' || !backendUrl) return;
    via = 'http';
    beat();
  }

  async function beat() {
    clearTimeout(timers.beat);
    if (isOver || via !== 'http') return;
    const known = current ?? (kept && { sessionId: kept.id, sessionToken: kept.token, resumed: true });
    const response = known === null
      ? await call('/listening-sessions', 'POST', what)
      : await call(`/listening-sessions/${known.sessionId}`, 'PATCH', { sessionToken: known.sessionToken });
    const isWanted = !isOver && via === 'http' && (known !== null || current === null);
    if (!isWanted) return known === null ? abandon(response) : undefined;
    const wait = await settle(response, known);
    if (wait !== null) timers.beat = setTimeout(beat, wait);
  }

  /** A session that HTTP began while the socket took over, or the listener stopped, is nobody's. */
  async function abandon(response) {
    if (!response?.ok) return;
    const { data } = await response.json().catch(() => ({}));
    if (data) beacon({}, { sessionId: data.id, sessionToken: data.sessionToken });
  }

  /** What an answer means; milliseconds until the next beat, or null where there will be none. */
  async function settle(response, known) {
    if (response?.ok && known === null) {
      const { data } = await response.json();
      take({ sessionId: data.id, sessionToken: data.sessionToken, startedAt: data.startTime, resumed: false }, 'http');
    } else if (response?.ok && current === null) {
      const { data } = await response.json();
      take({ ...known, startedAt: data.startTime }, 'http');
    } else if (response?.ok) {
      aliveAt = Date.now();
      keepOnce();
      say('live');
    } else if ([401, 403, 404, 409].includes(response?.status) && known !== null) {
      // It ended meanwhile, as after a night of sleep: what plays now is a new one.
      current = sessionToken = kept = null;
      return 0;
    } else if (response !== null && response.status < 500 && response.status !== 429) {
      close();
      say('refused', { code: String(response.status), message: response.statusText });
      return null;
    } else {
      say('reconnecting', { code: 'unreachable', message: 'The server cannot be reached.' });
      return RETRY_MS;
    }
    return BEAT_MS;
  }

  async function call(target, method, body) {
    const fresh = await freshToken();
    const headers = { 'Content-Type': 'application/json', ...(fresh && { Authorization: `Bearer ${fresh}` }) };
    return fetch(backendUrl + target, { method, headers, body: JSON.stringify(body) }).catch(() => null);
  }

  function onPageHide({ persisted }) {
    keepOnce();
    // A socket dies with the page, and its end is the server's to see; HTTP has to say it. It may be a reload.
    if (persisted || via !== 'http' || current === null) return;
    beacon({ reason: 'pageClose' });
    duplicates?.postMessage(current.sessionId);
  }

  function onDuplicateClosed({ data }) {
    if (isOver || via !== 'http' || data !== current?.sessionId) return;
    clearTimeout(timers.beat);
    timers.beat = setTimeout(beat, DUPLICATE_MS);
  }

  function onPageShow({ persisted }) {
    if (persisted && socket && !isOver && !socket.connected) socket.connect();
  }

  function keepOnce() {
    const now = Date.now();
    // After a sleep a socket seems connected that is long lost.
    if (isOver || current === null || now - aliveAt >= RESUME_MS) return;
    aliveAt = now;
    keepSession(storageKey, { id: current.sessionId, token: sessionToken, at: aliveAt });
  }

  function beacon(claim, session = { sessionId: current.sessionId, sessionToken }) {
    const body = JSON.stringify({ ...claim, sessionToken: session.sessionToken });
    const target = `${backendUrl}/listening-sessions/${session.sessionId}/end`;
    globalThis.navigator?.sendBeacon?.(target, new Blob([body], { type: 'text/plain' }));
  }

  function close() {
    isOver = true;
    for (const timer of Object.values(timers)) clearTimeout(timer);
    globalThis.removeEventListener?.('pagehide', onPageHide);
    globalThis.removeEventListener?.('pageshow', onPageShow);
    duplicates?.close();
    keepSession(storageKey, null);
    if (socket) {
      for (const [event, handler] of Object.entries(handlers)) socket.off(event, handler);
      socket.disconnect();
    }
  }

  async function end({ durationSeconds } = {}) {
    if (isOver) return;
    const claim = Number.isSafeInteger(durationSeconds) ? { durationSeconds } : {};
    if (socket?.connected && via === 'socket') await socket.timeout(SOCKET_PATIENCE_MS).emitWithAck('stop', claim).catch(() => null);
    else if (current !== null && backendUrl) beacon(claim);
    close();
    say('ended');
  }

  function update({ durationSeconds, ...quality } = {}) {
    if (isOver || current === null) return;
    if (via === 'socket' && socket.connected && Object.keys(quality).length > 0) socket.emit('quality', quality);
    else if (via === 'http') call(`/listening-sessions/${current.sessionId}`, 'PATCH', { sessionToken, ...(Number.isSafeInteger(durationSeconds) && { durationSeconds }) });
  }

  const handlers = {
    session: onSocketSession,
    disconnect: (reason) => {
      if (isOver) return;
      say('reconnecting', { code: 'disconnected', message: reason });
      if (reason === 'io server disconnect') setTimeout(() => isOver || socket.connect(), RETRY_MS);
      timers.patience = setTimeout(fallBack, SOCKET_PATIENCE_MS);
    },
    connect_error: (cause) => {
      if (FATAL.has(cause.data?.code)) {
        close();
        say('refused', { code: cause.data.code, message: cause.message });
        return;
      }
      if (!socket.active) setTimeout(() => isOver || socket.connect(), RETRY_MS);
      say('reconnecting', { code: cause.data?.code ?? 'unreachable', message: cause.message });
    },
  };

  globalThis.addEventListener?.('pagehide', onPageHide);
  globalThis.addEventListener?.('pageshow', onPageShow);
  if (duplicates) duplicates.onmessage = onDuplicateClosed;
  say('connecting');
  if (socket) {
    for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler);
    timers.patience = setTimeout(fallBack, SOCKET_PATIENCE_MS);
  } else {
    fallBack();
  }
  return {
    get session() {
      return current === null ? null : { ...current, via };
    },
    update,
    end,
  };
}

/** What playing was like since the last call: `{ buffering, reconnects, bitrate }`; `durationSeconds` is advisory. */
export function updateListeningSession(handle, changes) {
  handle.update(changes);
}

/** Ends the session now. Resolves when the server has it, or when a beacon is on its way. */
export function endListeningSession(handle, claim) {
  return handle.end(claim);
}

function keptSession(key) {
  try {
    const kept = JSON.parse(globalThis.sessionStorage?.getItem(key) ?? 'null');
    return kept !== null && Date.now() - kept.at < RESUME_MS ? kept : null;
  } catch {
    return null;
  }
}

function keepSession(key, session) {
  try {
    if (session === null) globalThis.sessionStorage?.removeItem(key);
    else globalThis.sessionStorage?.setItem(key, JSON.stringify(session));
  } catch {
    // Storage is blocked: a reload is then a new session.
  }
}
