/** What the collector decides: what waits, what goes next, how it is cut into portions, when to try again. Pure. */

export const BATCH = 50;
export const CAPACITY = 1_000;
export const SKIPPED_BELOW_SECONDS = 20;
/** Not this time: signed out, not yet rolled out (404, 405), too slow, too many. */
const LATER = new Set([401, 403, 404, 405, 408, 425, 429]);
const MOST_SECONDS = 86_400;

/** Adds an event; beyond the capacity the oldest go that are not on their way (`isSent`). `{events, dropped}`. */
export function enqueue(events, event, isSent, capacity = CAPACITY) {
  const all = [...events, event];
  let dropped = 0;
  while (all.length > capacity) {
    all.splice(Math.max(0, all.findIndex((one) => !isSent(one))), 1);
    dropped += 1;
  }
  return { events: all, dropped };
}

/** Without the events of these ids. */
export const without = (events, sent) => {
  const ids = new Set(sent.map((event) => event.eventId));
  return events.filter((event) => !ids.has(event.eventId));
};

/** Both, each event once, in order of time. */
export function joined(events, others) {
  const ids = new Set(events.map((event) => event.eventId));
  const fresh = others.filter((event) => !ids.has(event.eventId));
  return [...events, ...fresh].sort((a, b) => a.timestamp - b.timestamp);
}

/** Portions whose bodies, as `write` makes them, stay within `maxBytes` each. An event that alone is too big is left out. */
export function portions(events, write, maxBytes) {
  if (events.length === 0) return [];
  const size = new TextEncoder().encode(write(events)).length;
  if (size <= maxBytes) return [events];
  if (events.length === 1) return [];
  const middle = events.length >> 1;
  return [...portions(events.slice(0, middle), write, maxBytes), ...portions(events.slice(middle), write, maxBytes)];
}

/** What an answer's status means for the events sent: `taken`, `again` (later), `split` (fewer at once), or `refused`. */
export function verdict(status) {
  if (status >= 200 && status < 300) return 'taken';
  if (status === 400 || status === 413 || status === 422) return 'split';
  return LATER.has(status) || status >= 500 ? 'again' : 'refused';
}

/** Whose the events are that are made under this token: its subject, or undefined for a guest. Nobody's may go with anybody's. */
export function ownerOf(token) {
  try {
    const { sub } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** Whose what a guest did is, once the page has gone: it goes without a token, whoever is signed in by then. */
export const GUEST = '';

/** What may be sent under a token, in two portions: with the token, and without. Another user's waits for that user. */
export function sendable(events, token) {
  const owner = ownerOf(token);
  return [events.filter((event) => event.owner === undefined || event.owner === owner), events.filter((event) => event.owner === GUEST)];
}

/** As an event is kept for the next page: with its owner, as far as this page knows who is signed in. */
export const owned = (event, token) => ({ ...event, owner: event.owner ?? (token ? ownerOf(token) : GUEST) });

/** Whether the server can be told this event at all: what a page hands in may be anything, an event of the browser's too. */
export function isSayable(event) {
  try {
    return typeof event.trackId === 'string' && JSON.stringify(event) !== undefined;
  } catch {
    return false;
  }
}

/** Milliseconds until the next try: doubling up to a minute, spread over its upper half, never before the server asked. */
export function retryDelay(attempt, random, retryAfterSeconds = 0) {
  const ceiling = Math.min(60_000, 1_000 * 2 ** attempt);
  return Math.max(retryAfterSeconds * 1_000, ceiling * (0.5 + random() / 2));
}

/** What the end of a play says: completion in per cent, skipped below 20 seconds. A length that is none (a stream's) is 0. */
export function endOf(duration, length) {
  const heard = Math.max(0, Math.min(MOST_SECONDS, duration));
  const trackDuration = Number.isFinite(length) ? Math.max(0, Math.min(MOST_SECONDS, length)) : 0;
  return {
    duration: heard,
    trackDuration,
    completionRate: trackDuration > 0 ? Math.min(100, (100 * heard) / trackDuration) : null,
    skipped: heard < SKIPPED_BELOW_SECONDS,
  };
}
