/** Lengths as people write them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatLength, formatPeriod, formatPeriodShort, formatSince, readLength } from '../../backend_api/pages/static/js/format.js';

test('what is written can be read again, to the second', () => {
  for (const seconds of [0, 1, 59, 60, 3_599, 3_600, 3_601, 86_400]) assert.equal(readLength(formatLength(seconds)), seconds);
});

test('a plain number is minutes', () => {
  assert.equal(readLength('60'), 3_600);
  assert.equal(readLength(' 90 '), 5_400);
  assert.equal(readLength('90:05'), 5_405);
});

test('anything else is no length', () => {
  for (const text of ['', ' ', 'abc', '-1', '1.5', '1:75', '1:2:3:4', '25:00:00', '1441', 'NaN']) assert.equal(readLength(text), null, text);
});

test('a day and a month are those of the zone they were counted in, also where a day has 23 hours', () => {
  const midnight = Date.UTC(2026, 10, 21) / 1_000;
  assert.match(formatPeriod(midnight, 86_400, 'UTC'), /21/);
  assert.match(formatPeriod(midnight, 82_800, 'America/New_York'), /20/);
  assert.doesNotMatch(formatPeriod(midnight, 82_800, 'UTC'), /:/);
  const month = Date.UTC(2026, 10, 1) / 1_000;
  assert.match(formatPeriod(month, 30 * 86_400, 'UTC'), /^\D*2026$|2026/);
  assert.doesNotMatch(formatPeriodShort(month, 28 * 86_400, 'UTC'), /\b1\b/);
  assert.match(formatPeriodShort(midnight, 3_600, 'UTC'), /00/);
});

test('what was on another day says so', () => {
  const now = Date.UTC(2026, 10, 21, 12) / 1_000;
  assert.doesNotMatch(formatSince(now, now), /21/);
  assert.match(formatSince(now - 3 * 86_400, now), /18/);
});
