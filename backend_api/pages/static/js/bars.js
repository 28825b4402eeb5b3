/** Hours of each day as bars. */

import uPlot from '../vendor/uPlot.esm.js';
import { colour, mountChart } from './chart.js';
import { formatLength, formatStart } from './format.js';

const DAY_SECONDS = 86_400;

/** `draw(days)` shows `{date, seconds}` of consecutive days. */
export function dayBars(host) {
  let days = [];
  const chart = mountChart(host, {
    describe: (index) => days[index] && { title: formatStart(days[index].at, DAY_SECONDS), rows: [['Time', formatLength(days[index].seconds)]] },
    build: () => ({
      series: [{}, { stroke: colour('--accent'), fill: colour('--band'), width: 1, paths: uPlot.paths.bars({ size: [0.7, 48] }), points: { show: false } }],
    }),
  });
  return {
    draw(given) {
      days = given.map((day) => ({ ...day, at: Date.parse(`${day.date}T12:00`) / 1_000 }));
      const half = DAY_SECONDS / 2;
      chart.draw([days.map(({ at }) => at), days.map(({ seconds }) => seconds / 3_600)], { from: days[0].at - half, to: days.at(-1).at + half });
    },
  };
}
