/** What the tracking page says and decides, as plain functions. No document, no timer, no network. */

const OVER = {
  ended: 'Session ended',
  timeout: 'Session ended',
  cancelled: 'This lesson was cancelled',
  expired: 'This link has expired',
};

/** Seconds since the start by the server's clock: `skewMs` is the server's time less this device's. */
export const elapsedSeconds = (clickedAt, nowMs, skewMs) => (nowMs + skewMs - Date.parse(clickedAt)) / 1000;

/** Title and detail of a lesson that is over. */
export function overWords({ status, sessionDurationMinutes, endReason }) {
  const title = OVER[status] ?? OVER.ended;
  if (sessionDurationMinutes === null || sessionDurationMinutes === undefined) return [title, 'Nothing was started.'];
  const minutes = sessionDurationMinutes === 0 ? 'less than a minute' : `${sessionDurationMinutes} ${sessionDurationMinutes === 1 ? 'minute' : 'minutes'}`;
  const why = { timeout: ' It had been silent for a long time.', pageClose: ' The page was closed.' }[endReason] ?? '';
  return [title, `It lasted ${minutes}.${why} You can close this page.`];
}
