// collectEvents against a scripted server: what it sends when, what it keeps, what it hands over.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { collectEvents } from '../../backend_api/pages/static/client/events.js';
import { enqueue, portions, retryDelay, verdict } from '../../backend_api/pages/static/client/queue.js';
import { makeUseStats } from '../../backend_api/pages/static/client/useStats.js';

/** Like localStorage: keys are its own properties. */
class Storage {
  getItem(name) { return Object.hasOwn(this, name) ? this[name] : null; }
  setItem(name, value) { this[name] = String(value); }
  removeItem(name) { delete this[name]; }
}

class Page extends EventTarget {
  visibilityState = 'visible';
  defaultView = new EventTarget();
}

let clock, server, page, storage;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  clock = 1_795_257_000_000;
  page = new Page();
  storage = new Storage();
  server = { status: 200, headers: {}, batches: [], beacons: [], rejected: [], takesBeacons: true };
});

function collector(options = {}) {
  return collectEvents({
    anonymousId: 'device', storage, page, now: () => clock, random: () => 1,
    send: async (_url, { body }) => {
      if (server.status === 0) throw new TypeError('no network');
      server.batches.push(JSON.parse(body));
      return { status: server.status, headers: new Headers(server.headers), json: async () => ({ data: { rejected: server.rejected } }) };
    },
    beacon: (_url, blob) => {
      if (server.takesBeacons) server.beacons.push(blob);
      return server.takesBeacons;
    },
    ...options,
  });
}

const later = async (ms) => {
  clock += ms;
  mock.timers.tick(ms);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};
const sentTypes = () => server.batches.flatMap((batch) => batch.events.map((event) => event.type));

test('events go every five seconds, with ids, the visit and the device', async () => {
  const stats = collector();
  const playId = stats.trackPlayStart('t1', { source: 'search', trackDuration: 100 });
  stats.trackPlayEnd(playId, { duration: 25 });
  await later(4_999);
  assert.equal(server.batches.length, 0);
  await later(1);
  const [{ sentAt, events: [play, end] }] = server.batches;
  assert.equal(sentAt, clock);
  assert.equal(play.playId, playId);
  assert.equal(play.anonymousId, 'device');
  assert.match(play.eventId, /^[0-9a-f]{32}$/);
  assert.notEqual(play.eventId, end.eventId);
  assert.deepEqual({ duration: 25, trackDuration: 100, completionRate: 25, skipped: false },
    Object.fromEntries(['duration', 'trackDuration', 'completionRate', 'skipped'].map((name) => [name, end[name]])));
  assert.deepEqual(stats.stats, { sent: 2, dropped: 0, refused: 0, waiting: 0 });
});

test('fifty events go at once, and never more than fifty in a batch', async () => {
  const stats = collector();
  for (let count = 0; count < 120; count += 1) stats.trackDownload('t1');
  await later(0);
  await stats.flush();
  assert.deepEqual(server.batches.map((batch) => batch.events.length), [50, 50, 20]);
});

test('below twenty seconds a play is skipped, and it ends once', async () => {
  const stats = collector();
  const playId = stats.trackPlayStart('t1', { trackDuration: 10 });
  stats.trackPlayEnd(playId, { duration: 19.9 });
  stats.trackPlayEnd(playId, { duration: 60 });
  await stats.flush();
  assert.deepEqual(sentTypes(), ['play', 'playEnd']);
  assert.equal(server.batches[0].events[1].skipped, true);
  assert.equal(server.batches[0].events[1].completionRate, 100);
});

test('while the server is away it waits longer and longer, and then everything goes under the same ids', async () => {
  const stats = collector();
  server.status = 503;
  stats.trackLike('t1');
  await later(5_000);
  await later(5_000);
  await later(5_000);
  const tries = server.batches.length;
  server.status = 200;
  await later(60_000);
  const ids = new Set(server.batches.flatMap((batch) => batch.events.map((event) => event.eventId)));
  assert.ok(tries >= 2);
  assert.equal(ids.size, 1);
  assert.equal(stats.stats.waiting, 0);
});

test('Retry-After is kept to', async () => {
  const stats = collector();
  Object.assign(server, { status: 429, headers: { 'Retry-After': '40' } });
  stats.trackLike('t1');
  await later(5_000);
  await later(35_000);
  assert.equal(server.batches.length, 1);
  await later(10_000);
  assert.equal(server.batches.length, 2);
});

test('what the server refuses for good is counted and not sent again', async () => {
  const seen = [];
  const stats = collector({ onRejected: (event, reason) => seen.push([event.trackId, reason]) });
  server.rejected = [{ index: 0, reason: 'unknown_track' }];
  stats.trackLike('nobody');
  await stats.flush();
  server.status = 422;
  stats.trackLike('t1');
  await stats.flush();
  assert.deepEqual(seen, [['nobody', 'unknown_track']]);
  assert.deepEqual(stats.stats, { sent: 0, dropped: 0, refused: 2, waiting: 0 });
});

test('the next page sends what an earlier one could not', async () => {
  server.status = 0;
  const first = collector();
  first.trackShare('t1', { platform: 'embed' });
  await first.flush();
  server.status = 200;
  clock += 31_000;
  const second = collector();
  await second.flush();
  assert.deepEqual(sentTypes(), ['share']);
  assert.equal(Object.keys(storage).length, 0);
});

test('a living page keeps its events to itself', async () => {
  server.status = 0;
  const first = collector();
  first.trackLike('t1');
  await later(25_000);
  const second = collector();
  assert.equal(second.stats.waiting, 0);
});

test('a page that goes away ends its plays and hands over everything', async () => {
  const stats = collector({ token: 'a.b.c' });
  await later(0);
  stats.trackPlayStart('t1', { trackDuration: 50, position: () => 25 });
  stats.trackLike('t1');
  page.defaultView.dispatchEvent(new Event('pagehide'));
  const body = JSON.parse(await server.beacons[0].text());
  assert.equal(server.beacons[0].type, 'text/plain;charset=utf-8');
  assert.equal(body.token, 'a.b.c');
  assert.deepEqual(body.events.map((event) => event.type), ['play', 'like', 'playEnd']);
  assert.equal(body.events[2].duration, 25);
});

test('a hidden page hands over, and what it handed over is confirmed when it is back', async () => {
  const stats = collector();
  stats.trackLike('t1');
  page.visibilityState = 'hidden';
  page.dispatchEvent(new Event('visibilitychange'));
  await later(5_000);
  assert.equal(server.beacons.length, 1);
  assert.equal(JSON.parse(await server.beacons[0].text()).events[0].eventId, server.batches[0].events[0].eventId);
});

test('beacons stay below 64 KB together with nothing lost between them', async () => {
  const stats = collector({ send: () => new Promise(() => {}) });
  for (let count = 0; count < 900; count += 1) stats.trackSave('t'.repeat(60), { playlistId: 'p'.repeat(60) });
  stats.stop();
  const bodies = await Promise.all(server.beacons.map((blob) => blob.text()));
  assert.ok(bodies.length > 1);
  assert.ok(bodies.every((body) => body.length < 64 * 1024));
  assert.equal(new Set(bodies.flatMap((body) => JSON.parse(body).events.map((event) => event.eventId))).size, 900);
});

test('beyond a thousand the oldest are dropped, and counted', () => {
  const stats = collector({ send: () => new Promise(() => {}) });
  for (let count = 0; count < 1_003; count += 1) stats.trackDownload('t1');
  assert.equal(stats.stats.dropped, 3);
  assert.equal(stats.stats.waiting, 1_000);
});

test('a token that cannot be had does not hold events back', async () => {
  const stats = collector({ token: async () => { throw new Error('signed out'); } });
  stats.trackLike('t1');
  await stats.flush();
  assert.equal(server.batches[0].token, undefined);
});

test('storage that is blocked or full is done without', async () => {
  const blocked = { setItem() { throw new Error('quota'); }, getItem() { throw new Error('no'); }, removeItem() { throw new Error('no'); } };
  const stats = collector({ storage: blocked });
  stats.trackLike('t1');
  await stats.flush();
  assert.deepEqual(sentTypes(), ['like']);
});

test('decisions', () => {
  assert.deepEqual([200, 401, 413, 422, 429, 503].map(verdict), ['taken', 'again', 'refused', 'refused', 'again', 'again']);
  assert.ok(retryDelay(20, () => 1) <= 60_000);
  assert.ok(retryDelay(0, () => 0) < retryDelay(0, () => 1));
  assert.deepEqual(enqueue([1, 2], 3, 2), { events: [2, 3], dropped: 1 });
  assert.deepEqual(portions([], JSON.stringify, 10), []);
  assert.deepEqual(portions(['x'.repeat(20)], JSON.stringify, 10), []);
});

test('a React tree shares one collector', () => {
  const effects = [];
  const React = { useState: (first) => [first, (value) => { React.seen = value; }], useEffect: (effect) => effects.push(effect) };
  const made = [];
  const useStats = makeUseStats(React, () => { made.push({ stopped: false, stop() { this.stopped = true; } }); return made.at(-1); });
  useStats({});
  useStats({});
  const ends = effects.map((effect) => effect());
  assert.equal(made.length, 1);
  assert.equal(React.seen, made[0]);
  ends[0]();
  assert.equal(made[0].stopped, false);
  ends[1]();
  assert.equal(made[0].stopped, true);
});
