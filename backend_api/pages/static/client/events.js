/**
 * Collects engagement with tracks on a web page and sends it in batches, each event once.
 *
 *     import { collectEvents } from './events.js';
 *
 *     const stats = collectEvents({ url: 'https://backend.example', token: () => session.token });
 *     const playId = stats.trackPlayStart('track-1', { source: 'search', trackDuration: 180, position: () => audio.currentTime });
 *     stats.trackPlayEnd(playId, { duration: 93 });
 *     stats.trackLike('track-1', { source: 'player' });
 *
 * An event gets its id here, once, so that sending it again changes nothing: whatever is not surely stored is kept in
 * localStorage and sent again, also by the next page. A page that goes away hands everything to `sendBeacon`.
 * Touches nothing global when imported.
 */

import { persistentViewerId } from './identity.js';
import { runningPlays } from './plays.js';
import { BATCH, CAPACITY, enqueue, joined, ownerOf, portions, retryDelay, verdict, without } from './queue.js';
import { shelf } from './shelf.js';

const FLUSH_MS = 5_000;
const BEACON_BYTES = 60_000;
const SAVE_MS = 10_000;
const ABANDONED_MS = 30_000;
/** A hidden page's timers may rest for minutes. */
const HIDDEN_MS = 300_000;
/** What a beacon took is sent again after this time unless the page has gone: a beacon has no answer. */
const CONFIRM_MS = 30_000;
/** Whoever has not answered by then will not. */
const PATIENCE_MS = 30_000;
const TEXT = 'text/plain;charset=UTF-8';

/** See events.d.ts. */
export function collectEvents({
  url = '',
  token,
  consent,
  anonymousId = () => persistentViewerId(),
  storage = storageOrNull('localStorage'),
  page = globalThis.document,
  send = (...request) => globalThis.fetch(...request),
  beacon = (...request) => globalThis.navigator?.sendBeacon?.(...request) ?? false,
  now = Date.now,
  elapsed = () => performance.now(),
  random = Math.random,
  onRejected = () => {},
} = {}) {
  const endpoint = `${url}/api/stats/events`;
  const place = shelf(storage, randomId());
  const sessionId = sessionOf(storageOrNull('sessionStorage'));
  const plays = runningPlays({ newId: randomId, elapsed });
  const stats = { sent: 0, dropped: 0, refused: 0 };
  const flying = new Set();
  const handed = new Set();
  let queue = [];
  let most = BATCH;
  let freshToken = typeof token === 'string' ? token : undefined;
  let isTokenKnown = typeof token !== 'function';
  let attempt = 0;
  let notBefore = 0;
  let sending = null;
  let savedAt = 0;
  let handedAt = 0;
  let lookedAt = now();
  let awakeAt = -Infinity;
  let isLeaving = false;
  let isStopped = false;

  function made(type, trackId, fields) {
    const device = deviceId();
    return { eventId: randomId(), type, trackId, sessionId, ...(device && { anonymousId: device }), timestamp: now(), ...fields };
  }

  function add(type, trackId, fields) {
    const event = made(type, trackId, fields);
    if (!isWritable(event)) return refuse(event);
    const { events, dropped } = enqueue(queue, event, ({ eventId }) => flying.has(eventId));
    queue = events;
    stats.dropped += dropped;
    save();
    if (isStopped || queue.length >= BATCH) flush();
  }

  /** One that cannot be sent must not keep back the others. */
  function refuse(event) {
    stats.refused += 1;
    onRejected(event, 'bad_field');
  }

  /** Sends what waits, batch after batch; resolves when nothing does or the server cannot be had. */
  function flush() {
    if (elapsed() < notBefore) return Promise.resolve();
    sending ??= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    while (unconfirmed(queue).length > 0) {
      freshToken = await currentToken();
      claim();
      const due = unconfirmed(mine());
      const batch = due.filter(({ owner }) => owner === due[0].owner).slice(0, most);
      if (batch.length === 0) return;
      batch.forEach(({ eventId }) => flying.add(eventId));
      const response = await sendBatch(batch).finally(() => flying.clear());
      if (response === null || !(await settle(batch, response))) return;
    }
  }

  /** What no beacon has taken just now. */
  const unconfirmed = (events) => events.filter(({ eventId }) => elapsed() - handedAt >= CONFIRM_MS || !handed.has(eventId));

  /** What nobody else did: others' events wait until they are back. */
  const mine = () => queue.filter(({ owner }) => owner === undefined || owner === '' || owner === ownerOf(freshToken));

  /** What has happened since the last token came belongs to whoever this one names. */
  function claim() {
    if (isTokenKnown) queue = queue.map((event) => ({ ...event, owner: event.owner ?? ownerOf(freshToken) }));
  }

  async function sendBatch(batch) {
    try {
      const signal = AbortSignal.timeout?.(PATIENCE_MS);
      return await send(endpoint, { method: 'POST', headers: { 'Content-Type': TEXT }, body: write(batch), signal });
    } catch {
      return postpone(0);
    }
  }

  /** Does what an answer says; whether to go on. */
  async function settle(batch, response) {
    const outcome = verdict(response.status);
    if (outcome === 'again') return postpone(Number(response.headers.get('Retry-After')) || 0) !== null;
    const rejected = outcome === 'taken' ? await rejections(response) : batch.map((_, index) => ({ index, reason: 'refused' }));
    if (rejected === null) return postpone(0) !== null;
    attempt = 0;
    if (outcome === 'split' && batch.length > 1) {
      most = Math.ceil(batch.length / 2);
      return true;
    }
    most = Math.min(BATCH, 2 * most);
    queue = without(queue, batch);
    save();
    report(batch, rejected);
    return true;
  }

  function report(batch, rejected) {
    stats.sent += batch.length - rejected.length;
    stats.refused += rejected.length;
    for (const { index, reason } of rejected) onRejected(batch[index], reason);
  }

  function postpone(retryAfterSeconds) {
    notBefore = elapsed() + retryDelay(attempt, random, retryAfterSeconds);
    attempt += 1;
    return null;
  }

  /**
   * Whether the browser took all that waits. It stays in the queue: only an answer says that it arrived. While it is not
   * known who is signed in, nothing is handed over: without a token it would be a guest's for good.
   */
  function handOver() {
    if (!isTokenKnown) return false;
    if (elapsed() - handedAt >= CONFIRM_MS) handed.clear();
    claim();
    const left = mine().filter(({ eventId }) => !handed.has(eventId));
    const [own, guests] = [left.filter(({ owner }) => owner), left.filter(({ owner }) => !owner)];
    for (const portion of [...portions(own, write, BEACON_BYTES), ...portions(guests, write, BEACON_BYTES)]) {
      if (!beacon(endpoint, new Blob([write(portion)], { type: TEXT }))) return false;
      portion.forEach(({ eventId }) => handed.add(eventId));
      handedAt = elapsed();
    }
    return true;
  }

  const write = (events) => JSON.stringify({
    sentAt: now(),
    ...(freshToken && events[0].owner === ownerOf(freshToken) && { token: freshToken }),
    ...(said() !== undefined && { consent: said() }),
    events: events.map(told),
  });

  const told = ({ owner: _, anonymousId: device, ...event }) => ({ ...event, ...(device && isDeviceTold() && { anonymousId: device }) });

  const isDeviceTold = () => consent === undefined || said() === true;

  function said() {
    const answer = typeof consent === 'function' ? consent() : consent;
    return typeof answer === 'boolean' ? answer : undefined;
  }

  /** Where consent is asked for, a device gets its id only once it is given. */
  function deviceId() {
    if (!isDeviceTold()) return undefined;
    return typeof anonymousId === 'function' ? anonymousId() : anonymousId;
  }

  async function currentToken() {
    try {
      return (await answered(typeof token === 'function' ? token() : token)) ?? undefined;
    } catch {
      return undefined;
    } finally {
      isTokenKnown = true;
    }
  }

  /** Keeps what waits, and the ends of the running plays as they would be, should nothing be heard of this page for `ms`. */
  function save(ms = page?.visibilityState === 'hidden' ? HIDDEN_MS : ABANDONED_MS) {
    savedAt = elapsed();
    const ends = plays.ends().map(({ trackId, fields }) => made('playEnd', trackId, fields));
    place.put([...queue, ...ends], now() + ms);
  }

  /**
   * Takes over what pages left behind that are gone, while there is room for what happens here. After this one has slept
   * that has to wait: the others have slept as well, and will say that they are there.
   */
  function adopt() {
    const left = place.take(CAPACITY / 2 - queue.length, now());
    if (left.length === 0) return;
    queue = joined(queue, left);
    save();
  }

  function tick() {
    plays.look();
    if (elapsed() - savedAt >= SAVE_MS) save();
    if (Math.abs(now() - lookedAt) > 3 * FLUSH_MS) awakeAt = now();
    lookedAt = now();
    if (Math.abs(now() - awakeAt) >= ABANDONED_MS) adopt();
    flush();
  }

  function turned() {
    if (page.visibilityState !== 'hidden') {
      isLeaving = false;
      handed.clear();
    } else if (!isLeaving) {
      save();
      handOver();
    }
  }

  /** One that goes into the cache may come back and play on. */
  function leave({ persisted }) {
    isLeaving = true;
    if (!persisted) endPlays();
    const isTaken = handOver();
    save(isTaken ? ABANDONED_MS : 0);
  }

  function endPlays() {
    for (const { trackId, fields } of plays.endAll()) add('playEnd', trackId, fields);
  }

  function trackPlayStart(trackId, { source = 'player', playlistId, replayed, trackDuration, position } = {}) {
    const playId = plays.start(trackId, { trackDuration, replayed, position });
    add('play', trackId, { playId, source, ...(playlistId && { playlistId }), ...(replayed !== undefined && { replayed }) });
    return playId;
  }

  /** The second end of a play, and the end of an unknown one, are ignored. */
  function trackPlayEnd(playId, said = {}) {
    const ended = plays.end(playId, said);
    if (ended) add('playEnd', ended.trackId, ended.fields);
  }

  const window = page?.defaultView;
  page?.addEventListener('visibilitychange', turned);
  window?.addEventListener('pagehide', leave);
  adopt();
  currentToken().then((first) => { freshToken ??= first; });
  const timer = setInterval(tick, FLUSH_MS);
  timer.unref?.();

  return {
    trackPlayStart,
    trackPlayEnd,
    trackLike: (trackId, { source = 'player', liked = true } = {}) => add('like', trackId, { action: liked ? 'like' : 'unlike', source }),
    trackSave: (trackId, { playlistId, saved = true } = {}) => add('save', trackId, { action: saved ? 'save' : 'unsave', playlistId }),
    trackShare: (trackId, { platform, source = 'player' } = {}) => add('share', trackId, { platform, source }),
    trackDownload: (trackId, { source = 'player' } = {}) => add('download', trackId, { source }),
    flush,
    get stats() {
      return { ...stats, waiting: queue.length };
    },
    /** Ends the plays that tell their position, hands over what waits and listens no longer. */
    stop() {
      clearInterval(timer);
      page?.removeEventListener('visibilitychange', turned);
      window?.removeEventListener('pagehide', leave);
      leave({ persisted: false });
      isStopped = true;
    },
  };
}

/** What an answer says was rejected; null where it is not the backend's, as a portal's page with status 200. */
async function rejections(response) {
  const { data } = (await response.json().catch(() => null)) ?? {};
  return typeof data?.accepted === 'number' ? data.rejected : null;
}

function isWritable(event) {
  try {
    return Boolean(JSON.stringify(event));
  } catch {
    return false;
  }
}

/** The same promise, given up after a while. */
function answered(promise) {
  let timer;
  const patience = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error('no answer')), PATIENCE_MS);
    timer.unref?.();
  });
  return Promise.race([promise, patience]).finally(() => clearTimeout(timer));
}

/** One id per visit: it survives a reload, not the tab. */
function sessionOf(storage) {
  const name = 'presence.visit';
  const made = randomId();
  try {
    const kept = storage?.getItem(name);
    if (/^[\w-]{1,64}$/.test(kept ?? '')) return kept;
    storage?.setItem(name, made);
  } catch {
    // Blocked: the visit is this page.
  }
  return made;
}

function storageOrNull(name) {
  try {
    return globalThis[name] ?? null;
  } catch {
    return null;
  }
}

function randomId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
