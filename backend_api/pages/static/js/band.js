/** The viewers' chart: the average as a line within a band from minimum to peak. */

import { colour, mountChart } from './chart.js';
import { formatAverage, formatCount, formatStart } from './format.js';
import { columnsOf, lonely } from './points.js';

const AVERAGE = 1;
const PEAK = 2;
const LOW = 3;

/** `draw(points, stepSeconds, range)` shows points with their `at`, in order of time. */
export function bandChart(host) {
  let rows = [];
  let step = 60;

  const chart = mountChart(host, {
    describe: (index) => (rows[index]?.timestamp ? words(rows[index], step) : null),
    build: () => ({
      series: [
        {},
        { stroke: colour('--accent'), width: 2, points: { show: true, size: 6, fill: colour('--accent'), filter: (u) => lonely(u.data[AVERAGE]) } },
        { stroke: 'transparent', points: { show: false } },
        { stroke: 'transparent', points: { show: false } },
      ],
      bands: [{ series: [PEAK, LOW], fill: colour('--band') }],
      hooks: { drawAxes: [drawLonelyBands] },
    }),
  });

  return {
    draw(points, stepSeconds, range) {
      const shaped = columnsOf(points, stepSeconds);
      rows = shaped.points;
      step = stepSeconds;
      chart.draw(shaped.columns, range);
    },
  };
}

function words(point, step) {
  return {
    title: formatStart(point.at, step),
    rows: [
      ['Peak', formatCount(point.peakViewers)],
      ['Average', formatAverage(point.avgViewers)],
      ['Minimum', formatCount(point.minViewers)],
    ],
  };
}

// A band has no width where its points stand alone.
function drawLonelyBands(u) {
  const [times, , peaks, lows] = u.data;
  const width = 5 * devicePixelRatio;
  u.ctx.fillStyle = colour('--band');
  for (const index of lonely(peaks)) {
    const x = u.valToPos(times[index], 'x', true);
    const top = u.valToPos(peaks[index], 'y', true);
    u.ctx.fillRect(x - width / 2, top, width, u.valToPos(lows[index], 'y', true) - top);
  }
}
