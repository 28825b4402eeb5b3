/** How figures and times are written for people. Pure; the locale and, unless one is given, the time zone are the reader's. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const CLOCK = { hour: '2-digit', minute: '2-digit' };
const DAY = { day: 'numeric', month: 'short' };
const MOMENT = { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };
const DATE = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' };
const MONTH = { month: 'long', year: 'numeric' };
const SHORT_MONTH = { month: 'short', year: 'numeric' };
const [clock, day, moment, date] = [CLOCK, DAY, MOMENT, DATE].map((style) => new Intl.DateTimeFormat(undefined, style));

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
export const formatMoment = (at) => moment.format(at * 1_000);

/** When a stretch of `stepSeconds` began: days are dates, anything shorter has its time. */
export const formatStart = (at, stepSeconds) => (stepSeconds >= DAY_SECONDS ? date : moment).format(at * 1_000);

/** A whole hour, day or month (`seconds` long) by its name in the time zone that it was counted in. */
export function formatPeriod(at, seconds, timeZone) {
  const style = seconds > 27 * DAY_SECONDS ? MONTH : seconds > 22 * HOUR_SECONDS ? DATE : MOMENT;
  return new Intl.DateTimeFormat(undefined, { ...style, timeZone }).format(at * 1_000);
}

/** The same where there is little room: `14:00`, `3 Nov`, `Nov 2026`. */
export function formatPeriodShort(at, seconds, timeZone) {
  const style = seconds > 27 * DAY_SECONDS ? SHORT_MONTH : seconds > 22 * HOUR_SECONDS ? DAY : CLOCK;
  return new Intl.DateTimeFormat(undefined, { ...style, timeZone }).format(at * 1_000);
}

/** When something was: today by the clock alone. */
export const formatSince = (at, now) => (formatDay(at) === formatDay(now) ? formatClock : formatMoment)(at);

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

const MAX_LENGTH_SECONDS = 24 * HOUR_SECONDS;

/** Seconds of what `formatLength` writes, of `m:ss` and of whole minutes; null for anything else and beyond a day. */
export function readLength(text) {
  if (!/^\s*\d{1,4}(:[0-5]?\d){0,2}\s*$/.test(text)) return null;
  const parts = text.split(':').map(Number);
  const [hours, minutes, seconds] = parts.length === 3 ? parts : [0, ...parts, 0];
  const all = hours * HOUR_SECONDS + minutes * 60 + seconds;
  return all <= MAX_LENGTH_SECONDS ? all : null;
}

export const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
