/** What the pages about engagement share: the curve, figures in words, lists of names and numbers. */

import { colour, mountChart } from './chart.js';
import { find, make } from './dom.js';
import { formatAverage, formatClock, formatCount, formatStart } from './format.js';

const HOUR = 3_600;
const DAY = 86_400;

export const chosenRange = () => find('[data-range] input:checked').value;
export const rangeWords = (range) => (range === 'all' ? 'all time' : `last ${range}`);
export const count = (value) => formatCount(value);
export const percent = (value) => (value === null ? '–' : `${formatAverage(value)} %`);
export const share = (fraction) => percent(fraction === null ? null : fraction * 100);

export const completionWords = (value) => (value === null ? '' : `${percent(value)} of the track`);

/** `1:34`; a dash where nothing is known. */
export function minutes(seconds) {
  if (seconds === null) return '–';
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** `+12.0 %`, or why there is no figure. */
export function growthWords(fraction, range) {
  if (range === 'all') return '';
  if (fraction === null) return 'nothing to compare with';
  return `${fraction > 0 ? '+' : fraction < 0 ? '−' : '±'}${formatAverage(Math.abs(fraction) * 100)} % on the ${range} before`;
}

export function freshnessWords({ asOf, pendingEvents }) {
  const at = formatClock(Date.parse(asOf) / 1_000);
  return pendingEvents > 0 ? `As of ${at}; ${formatCount(pendingEvents)} newer events are being counted.` : `As of ${at}.`;
}

/** `draw(series, name)` shows the points of the API; their distance tells hours from days and months. */
export function curve(host) {
  let points = [];
  let named = '';
  let step = DAY;
  const chart = mountChart(host, {
    describe: (index) => points[index] && { title: formatStart(points[index].at, step), rows: [[named, formatCount(points[index].value)]] },
    build: () => ({ series: [{}, { stroke: colour('--accent'), fill: colour('--band'), width: 2, points: { show: points.length < 3, size: 6, fill: colour('--accent') } }] }),
  });
  return {
    draw(series, name) {
      points = series.map(({ timestamp, value }) => ({ at: Date.parse(timestamp) / 1_000, value }));
      named = name;
      step = points.length > 1 ? points[1].at - points[0].at : DAY;
      const last = points.at(-1).at;
      const total = points.reduce((sum, { value }) => sum + value, 0);
      host.setAttribute('aria-label', `${name}: ${formatCount(total)} in all. Left and right arrow keys read the points.`);
      chart.draw([points.map(({ at }) => at), points.map(({ value }) => value)], { from: points[0].at, to: points.length > 1 ? last : last + HOUR });
    },
  };
}

/** Rows of a `dl`: `[name, value]`; one that is empty says so. */
export function fillFacts(list, rows, empty) {
  const cells = rows.flatMap(([name, value]) => [make('dt', {}, name), make('dd', { class: 'number' }, value)]);
  list.replaceChildren(...(rows.length > 0 ? cells : [make('dt', {}, empty)]));
}
