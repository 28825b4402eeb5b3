/**
 * Collects engagement with tracks on a web page and sends it in batches, each event once.
 *
 *     import { collectEvents } from './events.js';
 *
 *     const stats = collectEvents({ url: 'https://backend.example', token: () => session.token });
 *     const playId = stats.trackPlayStart('track-1', { trackDuration: () => audio.duration, position: () => audio.currentTime });
 *     stats.trackPlayEnd(playId, { duration: 93 });
 *     stats.trackLike('track-1', { source: 'player' });
 *
 * An event gets its id here, once, so that sending it again changes nothing: whatever is not surely stored is kept in
 * localStorage and sent again, also by the next page. A page that goes away hands everything to `sendBeacon`.
 * Touches nothing global when imported.
 */

import { rejections, within } from './asking.js';
import { persistentViewerId, randomId, storageOrNull, visitId } from './identity.js';
import { runningPlays } from './plays.js';
import { BATCH, CAPACITY, GUEST, enqueue, isSayable, joined, owned, ownerOf, portions, retryDelay, sendable, verdict, without } from './queue.js';
import { shelf } from './shelf.js';

const FLUSH_MS = 5_000;
const BEACON_BYTES = 60_000;
const SAVE_MS = 10_000;
const ABANDONED_MS = 30_000;
/** A hidden page's timers may rest for minutes. */
const HIDDEN_MS = 300_000;
/** What would be the end of a play is taken for it when nothing was heard of its page for so long: it may sleep, or show a dialog. */
const PLAY_LOST_MS = 3_000_000;
const ANSWER_MS = 30_000;
const DEVICE_ID = /^[A-Za-z0-9_.:~-]{1,128}$/;
/** What a beacon took is sent again after this time unless the page has gone: a beacon has no answer. */
const CONFIRM_MS = 30_000;
const TEXT = 'text/plain;charset=UTF-8';

/** See events.d.ts. */
export function collectEvents({
  url = '',
  token,
  consent,
  asksConsent = () => consent !== undefined,
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
  const sessionId = visitId(storageOrNull('sessionStorage'));
  const plays = runningPlays({ newId: randomId, elapsed });
  const isAsked = typeof token === 'function';
  const stats = { sent: 0, dropped: 0, refused: 0 };
  const flying = new Set();
  const handed = new Set();
  let queue = [];
  let most = BATCH;
  let freshToken = isAsked ? undefined : (token ?? undefined);
  let isTokenKnown = !isAsked;
  let isToldAtOnce = false;
  let attempt = 0;
  let notBefore = 0;
  let sending = null;
  let savedAt = 0;
  let tickedAt = now();
  let wokeAt = -Infinity;
  let handedAt = 0;
  let isLeaving = false;
  let isStopped = false;

  function made(type, trackId, fields) {
    const device = deviceId();
    // Who acts now may be another than at the last batch.
    if (isToldAtOnce) ask();
    const owner = ownerOf(freshToken);
    return { eventId: randomId(), type, trackId, sessionId, anonymousId: device, timestamp: now(), owner, ...fields };
  }

  function add(type, trackId, fields) {
    const event = made(type, trackId, fields);
    if (!isSayable(event)) return report([event], [{ index: 0, reason: 'bad_field' }]);
    const { events, dropped } = enqueue(queue, event, ({ eventId }) => flying.has(eventId));
    queue = events;
    stats.dropped += dropped;
    save();
    if (isStopped || queue.length >= BATCH) flush();
  }

  /** Sends what waits, batch after batch; resolves when nothing does or the server cannot be had. */
  function flush() {
    if (elapsed() < notBefore) return Promise.resolve();
    sending ??= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    while (due().length > 0) {
      if (!(await learnToken())) return postpone(0);
      const batch = sendable(due(), freshToken).find((events) => events.length > 0)?.slice(0, most);
      if (!batch) return;
      batch.forEach(({ eventId }) => flying.add(eventId));
      const isSettled = await sendBatch(batch).finally(() => flying.clear());
      if (!isSettled) return;
    }
  }

  const due = () => (elapsed() - handedAt < CONFIRM_MS ? queue.filter(({ eventId }) => !handed.has(eventId)) : queue);

  /** Sends a batch and does what the answer says; whether to go on. */
  async function sendBatch(batch) {
    try {
      return await within(ANSWER_MS, async (signal) => {
        const response = await send(endpoint, { method: 'POST', headers: { 'Content-Type': TEXT }, body: write(batch), signal });
        return settle(batch, response, verdict(response.status) === 'taken' ? await rejections(response) : []);
      });
    } catch {
      return postpone(0);
    }
  }

  function settle(batch, response, rejected) {
    const outcome = verdict(response.status);
    if (outcome === 'again') return postpone(Number(response.headers.get('Retry-After')) || 0);
    attempt = 0;
    if (outcome === 'split' && batch.length > 1) {
      most = Math.ceil(batch.length / 2);
      return true;
    }
    most = Math.min(BATCH, 2 * most);
    queue = without(queue, batch);
    save();
    report(batch, outcome === 'taken' ? rejected : batch.map((_, index) => ({ index, reason: 'refused' })));
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
    return false;
  }

  /** Whether the browser took all that waits. It stays in the queue: only an answer says that it arrived. */
  function handOver() {
    if (isToldAtOnce) ask();
    // Without the token it would be kept as a guest's, and a guest's like counts nothing.
    if (!isTokenKnown) return false;
    if (elapsed() - handedAt >= CONFIRM_MS) handed.clear();
    const waiting = sendable(queue.filter(({ eventId }) => !handed.has(eventId)), freshToken);
    for (const portion of waiting.flatMap((events) => portions(events, write, BEACON_BYTES))) {
      if (!beacon(endpoint, new Blob([write(portion)], { type: TEXT }))) return false;
      portion.forEach(({ eventId }) => handed.add(eventId));
      handedAt = elapsed();
    }
    return true;
  }

  function write(events) {
    const carried = events[0].owner === GUEST ? undefined : freshToken || undefined;
    return JSON.stringify({ sentAt: now(), token: carried, consent: said(), events: events.map(told) });
  }

  /** As it is said: without its owner, and without the device where consent was taken back. */
  const told = ({ owner, anonymousId: device, ...event }) => ({ ...event, anonymousId: said() === false ? undefined : device });

  function said() {
    const answer = typeof consent === 'function' ? consent() : consent;
    return typeof answer === 'boolean' ? answer : undefined;
  }

  /** Where consent is asked for, a device gets its id only once it is given. */
  function deviceId() {
    if (asksConsent() && said() !== true) return undefined;
    const device = typeof anonymousId === 'function' ? anonymousId() : anonymousId;
    return DEVICE_ID.test(device) ? device : undefined;
  }

  /** Asks who is signed in; a promise where the page has to find out. One that throws says that nobody is. */
  function ask() {
    const answer = asked();
    isToldAtOnce = typeof answer?.then !== 'function';
    if (!isToldAtOnce) return Promise.resolve(answer).catch(() => undefined);
    isTokenKnown = true;
    freshToken = answer ?? undefined;
    return freshToken;
  }

  function asked() {
    try {
      return token();
    } catch {
      return undefined;
    }
  }

  /** Whether there was an answer in time. */
  async function learnToken() {
    if (!isAsked) return true;
    try {
      freshToken = (await within(ANSWER_MS, async () => ask())) ?? undefined;
      isTokenKnown = true;
      return true;
    } catch {
      return false;
    }
  }

  /** Keeps what waits, and the ends of the running plays as they would be, should nothing be heard of this page for `ms`. */
  function save(ms = page?.visibilityState === 'hidden' ? HIDDEN_MS : ABANDONED_MS) {
    savedAt = elapsed();
    place.put(isTokenKnown ? queue.map((event) => owned(event, freshToken)) : queue, now() + ms);
    place.putEnds(plays.ends().map(({ trackId, fields }) => made('playEnd', trackId, fields)), now() + PLAY_LOST_MS);
  }

  /** Takes over what pages left behind that are gone, while there is room for what happens here. */
  function adopt() {
    const left = place.take(CAPACITY / 2 - queue.length, now());
    if (left.length === 0) return;
    queue = joined(queue, left);
    save();
  }

  function tick() {
    plays.look();
    if (elapsed() - savedAt >= SAVE_MS) save();
    if (now() - tickedAt > ABANDONED_MS) wokeAt = elapsed();
    tickedAt = now();
    // After a sleep of the device all pages look abandoned until they have written again.
    if (elapsed() - wokeAt >= 2 * SAVE_MS) adopt();
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
  learnToken();
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
