// The decisions of the client library, without a socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  drainDelay, isCurrent, looksDifferent, readAck, readCount, readRefusal, retryDelay,
} from '../../backend_api/pages/static/client/sync.js';

const ROOM = 'auction:1';
const message = (over = {}) => ({
  room: ROOM, viewerCount: 3, uniqueViewers: 2, activeViewers: 1, epoch: 'a', seq: 5, ...over,
});
const count = (over) => readCount(ROOM, message(over));

test('a lower seq of the same epoch is stale, an equal or a higher one is not', () => {
  assert.equal(isCurrent(count(), count({ seq: 4 })), false);
  assert.equal(isCurrent(count(), count({ seq: 5 })), true);
  assert.equal(isCurrent(count(), count({ seq: 6 })), true);
});

test('another epoch is accepted whatever its seq', () => {
  assert.equal(isCurrent(count(), count({ epoch: 'b', seq: 1 })), true);
});

test('the first count is always accepted', () => {
  assert.equal(isCurrent(null, count({ seq: 0 })), true);
});

test('any order of one epoch ends at the highest seq', () => {
  const orders = [[1, 2, 3], [3, 2, 1], [2, 3, 1], [1, 3, 2], [3, 1, 2], [2, 1, 3]];
  for (const order of orders) {
    const last = order.reduce((now, seq) => (isCurrent(now, count({ seq })) ? count({ seq }) : now), null);
    assert.equal(last.seq, 3, `order ${order}`);
  }
});

test('a count for another room and one that is no count are not taken', () => {
  assert.equal(count({ room: 'auction:2' }), null);
  for (const viewerCount of [-1, 1.5, '3', null, undefined, NaN, {}]) assert.equal(count({ viewerCount }), null);
  assert.equal(readCount(ROOM, null), null);
  assert.equal(readCount(ROOM, 'auction:1'), null);
});

test('degraded is a boolean even where the server does not say', () => {
  assert.equal(count().degraded, false);
  assert.equal(count({ degraded: true }).degraded, true);
  assert.equal(looksDifferent(count(), count({ degraded: true })), true);
});

test('a new seq with the same figures is no news', () => {
  assert.equal(looksDifferent(count(), count({ seq: 9, epoch: 'b' })), false);
  assert.equal(looksDifferent(count(), count({ activeViewers: 0 })), true);
  assert.equal(looksDifferent(null, count()), true);
});

test('an ack is a count, a refusal for good, or something to ask again', () => {
  assert.deepEqual(readAck(ROOM, null, message({ ok: true })).count, count());
  for (const code of ['bad_room', 'forbidden', 'too_many_rooms', 'bad_request']) {
    assert.deepEqual(readAck(ROOM, null, { ok: false, error: { code, message: 'm' } }), { refused: { code, message: 'm' } });
  }
  assert.equal(readAck(ROOM, null, { ok: false, error: { code: 'slow_down', message: 'm' } }).retry.code, 'slow_down');
  assert.equal(readAck(ROOM, new Error('timeout'), undefined).retry.code, 'timeout');
  assert.equal(readAck(ROOM, null, undefined).refused.code, 'bad_answer');
});

test('a connection that the server refused says why', () => {
  const refused = Object.assign(new Error('unauthorized'), { data: { code: 'unauthorized', message: 'Expired.' } });
  assert.deepEqual(readRefusal(refused).refused, { code: 'unauthorized', message: 'Expired.' });
  assert.equal(readRefusal(new Error('No.')).refused.message, 'No.');
  assert.equal(readRefusal(Object.assign(new Error(''), { data: { code: 'slow_down' } })).retry.code, 'slow_down');
});

test('retries wait longer each time, with jitter, and never longer than half a minute', () => {
  assert.equal(retryDelay(0, 0), 500);
  assert.equal(retryDelay(0, 1), 1_000);
  assert.equal(retryDelay(2, 0), 2_000);
  assert.equal(retryDelay(9_999, 1), 30_000);
});

test('a draining server is waited for as long as it asks, within reason', () => {
  assert.equal(drainDelay({ retryInMs: 2_500 }), 2_500);
  assert.equal(drainDelay({ retryInMs: -1 }), 0);
  assert.equal(drainDelay({ retryInMs: 1e9 }), 120_000);
  assert.equal(drainDelay({ retryInMs: 'soon' }), 1_000);
  assert.equal(drainDelay(undefined), 1_000);
});
