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
import { BATCH, endOf, enqueue, joined, portions, retryDelay, verdict, without } from './queue.js';

const FLUSH_MS = 5_000;
const BEACON_BYTES = 60_000;
const KEPT = 'presence.events.';
const ABANDONED_MS = 30_000;

/** See events.d.ts. */
export function collectEvents({
  url = '',
  token,
  consent,
  anonymousId = consent === false ? undefined : persistentViewerId(),
  storage = storageOrNull('localStorage'),
  page = globalThis.document,
  send = (...request) => globalThis.fetch(...request),
  beacon = (...request) => globalThis.navigator?.sendBeacon?.(...request) ?? false,
  now = Date.now,
  random = Math.random,
  onRejected = () => {},
} = {}) {
  const endpoint = `${url}/api/stats/events`;
  const key = KEPT + randomId();
  const sessionId = sessionOf(storageOrNull('sessionStorage'));
  const plays = new Map();
  const stats = { sent: 0, dropped: 0, refused: 0 };
  let queue = [];
  let freshToken;
  let attempt = 0;
  let notBefore = 0;
  let sending = null;
  let lastSave = 0;

  function add(type, trackId, fields) {
    const event = { eventId: randomId(), type, trackId, sessionId, ...(anonymousId && { anonymousId }), timestamp: now(), ...fields };
    const { events, dropped } = enqueue(queue, event);
    queue = events;
    stats.dropped += dropped;
    save();
    if (queue.length >= BATCH) flush();
  }

  /** Sends what waits, batch after batch; resolves when nothing does or the server cannot be had. */
  function flush() {
    if (now() < notBefore) return Promise.resolve();
    sending ??= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    while (queue.length > 0) {
      freshToken = await currentToken();
      const batch = queue.slice(0, BATCH);
      if (!(await sendBatch(batch))) return;
      queue = without(queue, batch);
      save();
    }
  }

  async function sendBatch(batch) {
    let response;
    try {
      response = await send(endpoint, { method: 'POST', headers: { 'Content-Type': 'text/plain;charset=UTF-8' }, body: write(batch) });
    } catch {
      return postpone(0);
    }
    const outcome = verdict(response.status);
    if (outcome === 'again') return postpone(Number(response.headers.get('Retry-After')) || 0);
    attempt = 0;
    if (outcome === 'refused') stats.refused += batch.length;
    else await report(batch, response);
    return true;
  }

  async function report(batch, response) {
    const { data } = await response.json().catch(() => ({}));
    const rejected = data?.rejected ?? [];
    stats.sent += batch.length - rejected.length;
    stats.refused += rejected.length;
    for (const { index, reason } of rejected) onRejected(batch[index], reason);
  }

  function postpone(retryAfterSeconds) {
    notBefore = now() + retryDelay(attempt, random, retryAfterSeconds);
    attempt += 1;
    return false;
  }

  /** What is handed over stays in the queue: only an answer says that it arrived. */
  function handOver() {
    save();
    for (const portion of portions(queue, write, BEACON_BYTES)) {
      if (!beacon(endpoint, new Blob([write(portion)], { type: 'text/plain;charset=UTF-8' }))) return;
    }
  }

  const write = (events) => JSON.stringify({
    sentAt: now(), ...(freshToken && { token: freshToken }), ...(consent !== undefined && { consent }), events,
  });

  async function currentToken() {
    try {
      return (await (typeof token === 'function' ? token() : token)) ?? undefined;
    } catch {
      return undefined;
    }
  }

  function save() {
    lastSave = now();
    try {
      if (queue.length > 0) storage?.setItem(key, JSON.stringify({ at: lastSave, events: queue }));
      else storage?.removeItem(key);
    } catch {
      // Full or blocked: the events of this page are then sent by this page or not at all.
    }
  }

  /** Takes over what pages left behind that are gone; two pages may both do so, for the ids are the same. */
  function adopt() {
    try {
      for (const name of Object.keys(storage ?? {}).filter((name) => name.startsWith(KEPT) && name !== key)) {
        const left = JSON.parse(storage.getItem(name));
        if (now() - left.at < ABANDONED_MS) continue;
        queue = joined(queue, left.events);
        storage.removeItem(name);
      }
      save();
    } catch {
      // Not ours, or cut off: nothing can be made of it.
    }
  }

  function tick() {
    if (queue.length > 0 && now() - lastSave > ABANDONED_MS / 3) save();
    flush();
  }

  function hide() {
    if (page?.visibilityState === 'hidden') handOver();
  }

  function leave() {
    for (const [playId, play] of [...plays]) if (play.position) trackPlayEnd(playId, { duration: play.position() });
    handOver();
  }

  function trackPlayStart(trackId, { source = 'player', playlistId, replayed, trackDuration, position } = {}) {
    const playId = randomId();
    plays.set(playId, { trackId, trackDuration, position, replayed });
    add('play', trackId, { playId, source, ...(playlistId && { playlistId }), ...(replayed !== undefined && { replayed }) });
    return playId;
  }

  /** The second end of a play, and the end of an unknown one, are ignored. */
  function trackPlayEnd(playId, { duration, trackDuration, replayed } = {}) {
    const play = plays.get(playId);
    if (!play) return;
    plays.delete(playId);
    const again = replayed ?? play.replayed;
    const end = endOf(duration, trackDuration ?? play.trackDuration ?? 0);
    add('playEnd', play.trackId, { playId, ...end, ...(again !== undefined && { replayed: again }) });
  }

  const window = page?.defaultView;
  page?.addEventListener('visibilitychange', hide);
  window?.addEventListener('pagehide', leave);
  adopt();
  currentToken().then((first) => { freshToken ??= first; });
  const timer = setInterval(tick, FLUSH_MS);
  timer.unref?.();

  return {
    trackPlayStart,
    trackPlayEnd,
    trackLike: (trackId, { source = 'player', liked = true } = {}) => add('like', trackId, { action: liked ? 'like' : 'unlike', source }),
    trackSave: (trackId, { playlistId, saved = true }) => add('save', trackId, { action: saved ? 'save' : 'unsave', playlistId }),
    trackShare: (trackId, { platform, source = 'player' }) => add('share', trackId, { platform, source }),
    trackDownload: (trackId, { source = 'player' } = {}) => add('download', trackId, { source }),
    flush,
    get stats() {
      return { ...stats, waiting: queue.length };
    },
    /** Hands over what waits and listens no longer. */
    stop() {
      clearInterval(timer);
      page?.removeEventListener('visibilitychange', hide);
      window?.removeEventListener('pagehide', leave);
      handOver();
    },
  };
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
