/** What the tracking page says and decides, as plain functions. No document, no timer, no network. */

const OVER = {
  ended: 'Session ended',
  timeout: 'Session ended',
  cancelled: 'This lesson was cancelled',
  expired: 'This link has expired',
};

/** `1:05`, `2:03:09`. */
export function formatElapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds since the start by the server's clock: `skewMs` is the server's time less this device's. */
export const elapsedSeconds = (clickedAt, nowMs, skewMs) => (nowMs + skewMs - Date.parse(clickedAt)) / 1000;

/** Title and detail of a lesson that is over. */
export function overWords({ status, sessionDurationMinutes, endReason }) {
  const title = OVER[status] ?? OVER.ended;
  if (sessionDurationMinutes === null || sessionDurationMinutes === undefined) return [title, 'Nothing was started.'];
  const minutes = `${sessionDurationMinutes} ${sessionDurationMinutes === 1 ? 'minute' : 'minutes'}`;
  const why = { timeout: ' It had been silent for a long time.', pageClose: ' The page was closed.' }[endReason] ?? '';
  return [title, `It lasted ${minutes}.${why} You can close this page.`];
}
