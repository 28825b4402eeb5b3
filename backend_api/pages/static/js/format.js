/** How figures and times are written for people. Pure; the locale and the time zone are the reader's. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const moment = new Intl.DateTimeFormat(undefined, {
  weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit',
});
const date = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

export const formatCount = (value) => whole.format(value);
export const formatAverage = (value) => (value >= 1_000 ? whole : oneDecimal).format(value);

/** Viewer-hours from viewer-minutes; the first ones are small. */
export function formatHours(minutes) {
  const hours = minutes / 60;
  return hours < 1 ? twoDecimals.format(hours) : formatAverage(hours);
}

/** `1 minute`, `2,000 minutes`. */
export const counted = (value, one, many = `${one}s`) => `${formatCount(value)} ${value === 1 ? one : many}`;

export const formatClock = (at) => clock.format(at * 1_000);
export const formatDay = (at) => day.format(at * 1_000);

/** When a stretch of `stepSeconds` began: days are dates, anything shorter has its time. */
export const formatStart = (at, stepSeconds) => (stepSeconds >= DAY_SECONDS ? date : moment).format(at * 1_000);

/** `15 minutes`, `1 hour`. */
export function formatStep(seconds) {
  if (seconds >= DAY_SECONDS) return counted(seconds / DAY_SECONDS, 'day');
  return seconds >= HOUR_SECONDS ? counted(seconds / HOUR_SECONDS, 'hour') : counted(seconds / 60, 'minute');
}

/** `1:02:03`, `4:05`. */
export function formatLength(seconds) {
  const [hours, minutes] = [Math.floor(seconds / HOUR_SECONDS), Math.floor((seconds % HOUR_SECONDS) / 60)];
  const two = (value) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Seconds of `75` (minutes), `75:30` or `1:15:30`; null for anything else. */
export function lengthOf(text) {
  const parts = text.trim().split(':');
  if (parts.length > 3 || !parts.every((part, index) => /^\d{1,5}$/.test(part) && (index === 0 || part < 60))) return null;
  const [seconds, minutes, hours = 0] = parts.length === 1 ? [0, ...parts] : parts.reverse();
  return Number(seconds) + 60 * Number(minutes) + HOUR_SECONDS * Number(hours);
}

export const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
