/** The hourly curve of listening: listener-hours of each hour, which is also the average number of listeners in it. */

import { colour, mountChart } from './chart.js';
import { formatAverage, formatCount, formatStart } from './format.js';

const HOUR_SECONDS = 3_600;

/** `draw(hours, {from, to})` shows what the listeners' report calls `hours`; an hour that is not there had none. */
export function hourChart(host) {
  let rows = [];

  const chart = mountChart(host, {
    describe: (index) => rows[index] && {
      title: formatStart(rows[index].at, HOUR_SECONDS),
      rows: [['Listener-hours', formatAverage(rows[index].listenerHours)], ['Listeners', formatCount(rows[index].listeners)]],
    },
    build: () => ({
      series: [{}, { stroke: colour('--accent'), fill: colour('--band'), width: 2, points: { show: true, size: 6, fill: colour('--accent') } }],
    }),
  });

  return {
    draw(hours, range) {
      rows = withEmptyHours(hours, range);
      chart.draw([rows.map(({ at }) => at), rows.map(({ listenerHours }) => listenerHours)], range);
    },
  };
}

/** Every hour of the range, those without listening too. */
export function withEmptyHours(hours, { from, to }) {
  const known = new Map(hours.map((hour) => [Date.parse(hour.hour) / 1_000, hour]));
  // Where a zone is half an hour off, so are its hours.
  const anchor = known.size > 0 ? [...known.keys()][0] % HOUR_SECONDS : 0;
  const all = [];
  for (let at = Math.ceil((from - anchor) / HOUR_SECONDS) * HOUR_SECONDS + anchor; at <= to; at += HOUR_SECONDS) {
    const { listeners = 0, listenerHours = 0 } = known.get(at) ?? {};
    all.push({ at, listeners, listenerHours });
  }
  return all;
}
