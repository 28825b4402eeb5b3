// History shaped for a chart, and how figures are written.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { counted, formatAverage, formatHours, formatStep } from '../../backend_api/pages/static/js/format.js';
import { columnsOf, countCeiling, extremes, lonely, rangeOf, spaced, withTimes } from '../../backend_api/pages/static/js/points.js';

const point = (at, average = 2, peak = 3, low = 1) => ({ at, avgViewers: average, peakViewers: peak, minViewers: low });

test('points that follow each other are taken as they are', () => {
  const { columns, points } = columnsOf([point(0), point(60), point(120)], 60);
  assert.deepEqual(columns, [[0, 60, 120], [2, 2, 2], [3, 3, 3], [1, 1, 1]]);
  assert.equal(points.length, 3);
});

test('where points are missing, nulls at both ends make a hole', () => {
  const { columns } = columnsOf([point(0), point(60), point(600)], 60);
  assert.deepEqual(columns[0], [0, 60, 120, 540, 600]);
  for (const column of columns.slice(1)) assert.deepEqual(column.map((value) => value === null), [false, false, true, true, false]);
});

test('one missing point is one hole', () => {
  assert.deepEqual(columnsOf([point(0), point(120)], 60).columns[0], [0, 60, 120]);
});

test('a day of 25 hours is no hole', () => {
  assert.deepEqual(columnsOf([point(0), point(90_000)], 86_400).columns[0], [0, 90_000]);
});

test('times stay in order and columns stay equally long, whatever is missing', () => {
  for (let mask = 0; mask < 256; mask += 1) {
    const points = [...Array(8).keys()].filter((bit) => mask & (1 << bit)).map((bit) => point(bit * 60));
    const { columns, points: rows } = columnsOf(points, 60);
    assert.ok(columns[0].every((at, index) => index === 0 || at > columns[0][index - 1]), `mask ${mask}`);
    assert.ok(columns.every((column) => column.length === rows.length));
    assert.equal(columns[1].filter((value) => value !== null).length, points.length);
  }
});

test('points that stand alone are found, those with a neighbour are not', () => {
  assert.deepEqual(lonely([1, null, 2, 3, null, 4]), [0, 5]);
  assert.deepEqual(lonely([7]), [0]);
  assert.deepEqual(lonely([]), []);
});

test('the chart shows the range that was asked for; all is what there is', () => {
  const asked = { minutes: 60, stepSeconds: 60, now: 10_000 };
  assert.deepEqual(rangeOf([point(9_000)], { ...asked, isAll: false }), { from: 6_400, to: 10_000 });
  assert.deepEqual(rangeOf([point(9_000), point(9_960)], { ...asked, isAll: true }), { from: 9_000, to: 10_020 });
  assert.deepEqual(rangeOf([point(9_000)], { ...asked, isAll: true }), { from: 9_000, to: 9_600 });
});

test('of several highest points it is the first, of several lowest the last', () => {
  const points = [point(0, 2, 9, 1), point(60, 2, 9, 0), point(120, 2, 5, 0)];
  assert.deepEqual(extremes(points), { highest: points[0], lowest: points[2] });
  assert.deepEqual(extremes([]), { highest: undefined, lowest: undefined });
});

test('the count axis has room above the peak and never makes few look like many', () => {
  assert.equal(countCeiling(0), 4);
  assert.equal(countCeiling(3), 4);
  assert.ok(countCeiling(100) > 100);
});

test('the API\'s times become Unix seconds', () => {
  assert.equal(withTimes([{ timestamp: '2026-11-21T10:00:00Z' }])[0].at, 1_795_255_200);
});

test('figures are written with as many digits as they carry', () => {
  const plain = (text) => text.replace(/[^\d.]/g, '');
  assert.equal(plain(formatAverage(2.349)), '2.3');
  assert.equal(plain(formatAverage(6_078.741)), '6079');
  assert.equal(plain(formatHours(2.5)), '0.04');
  assert.equal(plain(formatHours(135)), '2.3');
  assert.equal(formatStep(60), '1 minute');
  assert.equal(formatStep(900), '15 minutes');
  assert.equal(formatStep(3_600), '1 hour');
  assert.equal(formatStep(86_400), '1 day');
  assert.equal(counted(1, 'person', 'people'), '1 person');
});

test('of many points every nth is named, the last among them', () => {
  assert.deepEqual(spaced([1, 2, 3], 5), [1, 2, 3]);
  assert.deepEqual(spaced([1, 2, 3, 4, 5, 6, 7], 3), [1, 4, 7]);
  assert.deepEqual(spaced([1, 2], 0), [2]);
  assert.deepEqual(spaced([], 3), []);
});
