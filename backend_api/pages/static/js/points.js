/** History as a chart needs it: columns, with a hole wherever points are missing. Pure. */

export const STEP_SECONDS = { '1m': 60, '5m': 300, '15m': 900, '1h': 3_600, '1d': 86_400 };

/** Points of the API with their time in Unix seconds. */
export const withTimes = (points) => points.map((point) => ({ ...point, at: Date.parse(point.timestamp) / 1_000 }));

/**
 * `{columns: [times, average, peak, low], points}`, of equal length. Where more than one and a half steps lie between
 * two points (a day may have 25 hours), rows of nulls at both ends say that nothing is known there.
 */
export function columnsOf(points, stepSeconds) {
  const rows = [];
  for (const point of points) {
    const before = rows.at(-1)?.at;
    if (before !== undefined && point.at - before > 1.5 * stepSeconds) {
      rows.push({ at: before + stepSeconds });
      if (point.at - stepSeconds > before + stepSeconds) rows.push({ at: point.at - stepSeconds });
    }
    rows.push(point);
  }
  const column = (name) => rows.map((row) => row[name] ?? null);
  return { columns: [column('at'), column('avgViewers'), column('peakViewers'), column('minViewers')], points: rows };
}

/** The first point with the highest peak and the last one with the lowest minimum; undefined without points. */
export function extremes(points) {
  const [first] = points;
  const highest = points.reduce((best, point) => (point.peakViewers > best.peakViewers ? point : best), first);
  const lowest = points.reduce((best, point) => (point.minViewers <= best.minViewers ? point : best), first);
  return { highest, lowest };
}

/** Indices of values with nothing on either side: a line cannot show them. */
export function lonely(values) {
  const isEmpty = (index) => values[index] === null || values[index] === undefined;
  return values.flatMap((_, index) => (!isEmpty(index) && isEmpty(index - 1) && isEmpty(index + 1) ? [index] : []));
}

/** At most `most` of these, evenly: every nth, the last among them. */
export function spaced(values, most) {
  const every = Math.max(1, Math.ceil(values.length / Math.max(1, most)));
  return values.filter((_, index) => (values.length - 1 - index) % every === 0);
}

/** What of time the chart shows: the whole range that was asked for, or for `all` what there is. */
export function rangeOf(points, { isAll, minutes, stepSeconds, now }) {
  if (!isAll || points.length === 0) return { from: now - minutes * 60, to: now };
  return { from: points[0].at, to: Math.max(points.at(-1).at + stepSeconds, points[0].at + 600) };
}

/** Top of a count axis: room above the peak, never less than 4 so that few viewers do not look like many. */
export const countCeiling = (peak) => Math.max(4, Math.ceil(peak * 1.08));
