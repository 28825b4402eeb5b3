/**
 * A chart over time: colours from the style sheet, a tip at the pointer, arrow keys, as wide as its place.
 * What is drawn is the caller's: series for uPlot, and the words of the tip.
 */

import uPlot from '../vendor/uPlot.esm.js';
import { formatClock, formatDay } from './format.js';
import { countCeiling, spaced } from './points.js';
import { make } from './dom.js';

const DAY_SECONDS = 86_400;
const TOUCH_PX = 12;
const LABEL_PX = 72;

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Draws into `host`. `build()` gives uPlot's `{series, bands, hooks}` and is asked again when the colours change;
 * `describe(index)` gives `{title, rows: [[label, value]]}` or null. `draw(columns, {from, to})` shows data. With `nameTime(at)`
 * the axis names points by it, else moments in the reader's own time.
 */
export function mountChart(host, { build, describe, nameTime }) {
  const tip = make('div', { class: 'tip', hidden: '' });
  const spoken = make('p', { class: 'unseen', role: 'status' });
  let shown = null;
  let plot = null;

  function render() {
    plot?.destroy();
    if (shown === null) return;
    const { series, bands, hooks = {} } = build();
    const options = {
      ...size(host), series, bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
      scales: { x: { range: () => [shown.from, shown.to] }, y: { range: (_, _low, high) => [0, countCeiling(high ?? 0)] } },
      axes: [nameTime ? pointsAxis(nameTime) : timeAxis(), countAxis()],
      hooks: { ...hooks, setCursor: [(u) => placeTip(u, tip, describe)] },
    };
    plot = new uPlot(options, shown.columns, host);
    host.append(tip, spoken);
  }

  function step(by) {
    const times = shown?.columns[0] ?? [];
    let index = plot.cursor.idx ?? (by > 0 ? -1 : times.length);
    do index += by; while (times[index] !== undefined && describe(index) === null);
    if (times[index] === undefined) return;
    plot.setCursor({ left: plot.valToPos(times[index], 'x'), top: plot.over.clientHeight / 2 });
    const { title, rows } = describe(index);
    spoken.textContent = [title, ...rows.map(([label, value]) => `${label} ${value}`)].join(', ');
  }

  host.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (plot === null || (by === undefined && event.key !== 'Escape')) return;
    event.preventDefault();
    if (by) step(by);
    else plot.setCursor({ left: -10, top: -10 });
  });
  host.addEventListener('blur', () => plot?.setCursor({ left: -10, top: -10 }));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', render);
  new ResizeObserver(() => host.clientWidth > 0 && plot?.setSize(size(host))).observe(host);

  return {
    draw(columns, { from, to }) {
      const isFirst = plot === null;
      shown = { columns, from, to };
      if (isFirst) render();
      else plot.setData(columns);
    },
  };
}

const size = (host) => ({ width: host.clientWidth, height: host.clientHeight });

function pointsAxis(nameTime) {
  return {
    ...axis(),
    size: 30,
    splits: (u) => spaced(u.data[0], Math.floor(u.over.clientWidth / LABEL_PX)),
    values: (_, splits) => splits.map(nameTime),
  };
}

function timeAxis() {
  return {
    ...axis(),
    size: 30,
    space: LABEL_PX,
    values: (_, splits, _axis, _space, step) => splits.map((at) => (step >= DAY_SECONDS || isMidnight(at) ? formatDay(at) : formatClock(at))),
  };
}

function countAxis() {
  return {
    ...axis(),
    size: (_, labels) => 18 + 8 * Math.max(1, ...(labels ?? []).map((label) => label.length)),
    incrs: [1, 2, 5].flatMap((head) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].map((power) => head * power)).sort((a, b) => a - b),
    values: (_, splits) => splits.map((value) => value.toLocaleString()),
  };
}

function axis() {
  return {
    stroke: colour('--soft'),
    font: '13px system-ui, sans-serif',
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
  };
}

function isMidnight(at) {
  const moment = new Date(at * 1_000);
  return moment.getHours() === 0 && moment.getMinutes() === 0;
}

// The point under the pointer. In a gap there is none, but one at its edge or alone in it need not be hit to the pixel.
function pointAt(u, describe) {
  const { idx, left } = u.cursor;
  if (idx === null || idx === undefined || left < 0) return null;
  if (describe(idx) !== null) return idx;
  const away = (index) => Math.abs(u.valToPos(u.data[0][index], 'x') - left);
  const near = [idx - 1, idx + 1].filter((index) => u.data[0][index] !== undefined && describe(index) !== null && away(index) < TOUCH_PX);
  return near.sort((a, b) => away(a) - away(b))[0] ?? null;
}

function placeTip(u, tip, describe) {
  const index = pointAt(u, describe);
  tip.hidden = index === null;
  if (index === null) return;
  const what = describe(index);
  const rows = what.rows.flatMap(([label, value]) => [make('dt', {}, label), make('dd', {}, value)]);
  tip.replaceChildren(make('strong', {}, what.title), make('dl', {}, ...rows));
  const place = u.over.offsetLeft + u.valToPos(u.data[0][index], 'x');
  const x = place < u.width / 2 ? place + 12 : Math.max(0, place - 12 - tip.offsetWidth);
  tip.style.transform = `translate(${Math.round(x)}px, ${u.over.offsetTop + 8}px)`;
}
