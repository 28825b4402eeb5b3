/** What the tracking page says and decides. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { elapsedSeconds, overWords } from '../../backend_api/pages/static/js/lesson.js';

test('time since the start is by the server\'s clock', () => {
  assert.equal(elapsedSeconds('2026-11-21T10:00:00Z', Date.parse('2026-11-21T09:00:00Z'), 3_605_000), 5);
});

test('an end says how long it was and why', () => {
  assert.deepEqual(overWords({ status: 'ended', sessionDurationMinutes: 1, endReason: 'button' }), ['Session ended', 'It lasted 1 minute. You can close this page.']);
  assert.match(overWords({ status: 'ended', sessionDurationMinutes: 0, endReason: 'button' })[1], /It lasted less than a minute/);
  assert.match(overWords({ status: 'timeout', sessionDurationMinutes: 2, endReason: 'timeout' })[1], /2 minutes\. It had been silent/);
  assert.match(overWords({ status: 'ended', sessionDurationMinutes: 2, endReason: 'pageClose' })[1], /The page was closed/);
  assert.deepEqual(overWords({ status: 'cancelled', sessionDurationMinutes: null }), ['This lesson was cancelled', 'Nothing was started.']);
});
