/** Lengths as people write them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatLength, readLength } from '../../backend_api/pages/static/js/format.js';

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
