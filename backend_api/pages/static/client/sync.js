/**
 * What live.js decides, as plain functions: which count is newer, what an answer means, how long to wait.
 * No socket, no timer, no window.
 */

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
const LONGEST_DRAIN_MS = 120_000;
const WORTH_A_RETRY = new Set(['slow_down', 'too_many_sockets', 'unavailable', 'timeout']);

/** The count in an update or an ack, or null if it is for another room or not a count at all. */
export function readCount(room, message) {
  if (message?.room !== room || !isCount(message.viewerCount)) return null;
  const { viewerCount, uniqueViewers, activeViewers, epoch, seq, ts, degraded } = message;
  return { room, viewerCount, uniqueViewers, activeViewers, epoch, seq, ts, degraded: degraded === true };
}

/**
 * Whether `next` may replace `current`: never a lower `seq` of the same `epoch`. Another epoch is another node or
 * another life of it, whose numbers cannot be compared.
 */
export function isCurrent(current, next) {
  return current === null || next.epoch !== current.epoch || !(next.seq < current.seq);
}

/** Whether a person would see a difference between two counts. */
export function looksDifferent(current, next) {
  const shown = ['viewerCount', 'uniqueViewers', 'activeViewers', 'degraded'];
  return current === null || shown.some((name) => current[name] !== next[name]);
}

/** What the answer to `join` or `watch` asks for: `{count}`, `{refused: error}` or `{retry: error}`. */
export function readAck(room, timedOut, answer) {
  if (timedOut) return { retry: { code: 'timeout', message: 'The server did not answer in time.' } };
  const count = answer?.ok ? readCount(room, answer) : null;
  return count ? { count } : judge(answer?.error);
}

/** The same for a connection that the server refused (not one that failed on the way). */
export function readRefusal(error) {
  return judge({ code: error?.data?.code ?? 'refused', message: error?.data?.message ?? error?.message });
}

/** Exponential with jitter: between half and all of 1 s, 2 s, 4 s ... at most 30 s. `random` is in [0, 1). */
export function retryDelay(attempt, random) {
  const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + random / 2));
}

/** How long a draining server asks to wait; bounded, since it comes from outside. */
export function drainDelay(message) {
  const asked = Number(message?.retryInMs);
  return Number.isFinite(asked) ? Math.min(Math.max(asked, 0), LONGEST_DRAIN_MS) : FIRST_RETRY_MS;
}

function judge(error) {
  const known = { code: String(error?.code ?? 'bad_answer'), message: String(error?.message ?? 'The server said no.') };
  return WORTH_A_RETRY.has(known.code) ? { retry: known } : { refused: known };
}

function isCount(value) {
  return Number.isInteger(value) && value >= 0;
}
