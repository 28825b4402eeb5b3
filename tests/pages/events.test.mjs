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

let clock, running, server, page, storage;
const ANSWER = () => ({ data: { accepted: 0, duplicates: 0, rejected: server.rejected } });

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  clock = 1_795_257_000_000;
  running = 0;
  page = new Page();
  storage = new Storage();
  server = { status: 200, headers: {}, batches: [], beacons: [], rejected: [], takesBeacons: true, answer: ANSWER };
});

function collector(options = {}) {
  return collectEvents({
    anonymousId: 'device', storage, page, now: () => clock, elapsed: () => running, random: () => 1,
    send: async (_url, { body }) => {
      if (server.status === 0) throw new TypeError('no network');
      server.batches.push(JSON.parse(body));
      return { status: server.status, headers: new Headers(server.headers), json: async () => server.answer() };
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
  running += ms;
  mock.timers.tick(ms);
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
};
const sentEvents = () => server.batches.flatMap((batch) => batch.events);
const sentTypes = () => sentEvents().map((event) => event.type);
const beaconEvents = async () => (await Promise.all(server.beacons.map((blob) => blob.text()))).flatMap((body) => JSON.parse(body).events);
const leave = (persisted = false) => page.defaultView.dispatchEvent(Object.assign(new Event('pagehide'), { persisted }));
const turn = (visibilityState) => {
  page.visibilityState = visibilityState;
  page.dispatchEvent(new Event('visibilitychange'));
};
const LIKE = { eventId: 'e', type: 'like', trackId: 't', timestamp: 1 };

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
  assert.deepEqual(seen, [['nobody', 'unknown_track'], ['t1', 'refused']]);
  assert.deepEqual(stats.stats, { sent: 0, dropped: 0, refused: 2, waiting: 0 });
});

test('what an ordinary reload could not hand over, the page sends at once when it is back', async () => {
  Object.assign(server, { status: 0, takesBeacons: false });
  const first = collector();
  first.trackShare('t1', { platform: 'embed' });
  await first.flush();
  leave();
  turn('hidden');
  page = new Page();
  server.status = 200;
  clock += 1_000;
  const second = collector();
  await second.flush();
  assert.deepEqual(sentTypes(), ['share']);
  assert.equal(Object.keys(storage).length, 0);
});

test('what a beacon took is confirmed by the next page, but not before half a minute', async () => {
  const first = collector();
  first.trackLike('t1');
  leave();
  first.stop();
  clock += 1_000;
  collector();
  await later(20_000);
  assert.equal(server.batches.length, 0);
  await later(15_000);
  assert.equal((await beaconEvents())[0].eventId, server.batches[0].events[0].eventId);
  assert.equal(Object.keys(storage).length, 0);
});

test('what another page left when it crashed is taken over while this one is open', async () => {
  server.status = 0;
  const crashed = collector({ page: null });
  crashed.trackLike('t1');
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  server.status = 200;
  collector();
  await later(25_000);
  assert.deepEqual(sentTypes(), []);
  await later(10_000);
  assert.deepEqual(sentTypes(), ['like']);
});

for (const broken of ['{"until":1,"ev', 'null', '{"until":1}', '{"until":1,"events":[7]}']) {
  test(`an entry that cannot be read is removed and hides no other: ${broken}`, async () => {
    storage.setItem('presence.events.0bad', broken);
    storage.setItem('presence.events.1good', JSON.stringify({ until: 1, events: [LIKE] }));
    const stats = collector();
    assert.equal(stats.stats.waiting, 1);
    await stats.flush();
    assert.equal(Object.keys(storage).length, 0);
  });
}

test('a date far ahead, by a clock that was wrong then, keeps nothing back', () => {
  storage.setItem('presence.events.1', JSON.stringify({ until: clock + 86_400_000, events: [LIKE] }));
  assert.equal(collector().stats.waiting, 1);
});

test('no more is taken over than there is room for; the rest stays where it is safe', async () => {
  const left = (name) => ({ until: 1, events: Array.from({ length: 1_000 }, (_, at) => ({ ...LIKE, eventId: `${name}-${at}` })) });
  for (const name of ['a', 'b', 'c']) storage.setItem(`presence.events.${name}`, JSON.stringify(left(name)));
  const stats = collector();
  stats.trackLike('t1');
  assert.equal(stats.stats.dropped, 0);
  for (let round = 0; round < 10; round += 1) {
    await stats.flush();
    await later(5_000);
  }
  assert.equal(new Set(sentEvents().map((event) => event.eventId)).size, 3_001);
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
  turn('hidden');
  await later(5_000);
  assert.equal(server.batches.length, 0, 'not twice at once');
  turn('visible');
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

test('a page that closes hands over each event in one beacon, whatever the browser tells it', async () => {
  const stats = collector();
  stats.trackLike('t1');
  leave();
  turn('hidden');
  stats.stop();
  assert.equal((await beaconEvents()).length, 1);
  assert.equal(server.batches.length, 0);
});

test('what happens on a hidden page is handed over when it goes, and only that', async () => {
  const stats = collector();
  stats.trackLike('t1');
  turn('hidden');
  stats.trackDownload('t1');
  leave();
  assert.deepEqual((await beaconEvents()).map((event) => event.type), ['like', 'download']);
});

test('a hidden page that plays on goes on sending, and has confirmed what a beacon took', async () => {
  const stats = collector();
  stats.trackLike('t1');
  turn('hidden');
  await later(5_000);
  stats.trackDownload('t1');
  await later(5_000);
  assert.deepEqual(sentTypes(), ['download']);
  await later(25_000);
  assert.deepEqual(sentTypes(), ['download', 'like']);
  assert.equal(stats.stats.waiting, 0);
});

test('beyond a thousand the oldest are dropped, and counted', () => {
  server.status = 0;
  const stats = collector({ token: () => new Promise(() => {}) });
  for (let count = 0; count < 1_003; count += 1) stats.trackDownload('t1');
  assert.equal(stats.stats.dropped, 3);
  assert.equal(stats.stats.waiting, 1_000);
});

test('an event that is on its way is neither dropped nor counted twice', async () => {
  let answer;
  const stats = collector({ send: () => new Promise((resolve) => { answer = () => resolve({ status: 200, headers: new Headers(), json: async () => ANSWER() }); }) });
  for (let count = 0; count < 1_000; count += 1) stats.trackDownload('t1');
  await later(0);
  for (let count = 0; count < 50; count += 1) stats.trackDownload('t1');
  answer();
  await later(0);
  assert.deepEqual(stats.stats, { sent: 50, dropped: 50, refused: 0, waiting: 950 });
});

test('a position that cannot be told any more keeps nothing back: the play ends where it was last heard', async () => {
  let audio = { currentTime: 12 };
  const stats = collector({ token: 'a.b.c' });
  stats.trackLike('t1');
  stats.trackPlayStart('t1', { position: () => audio.currentTime });
  server.status = 0;
  await later(5_000);
  audio = null;
  leave();
  const events = await beaconEvents();
  assert.deepEqual(events.map((event) => event.type), ['like', 'play', 'playEnd']);
  assert.equal(events[2].duration, 12);
});

for (const given of [undefined, {}, { duration: NaN }, { duration: null }]) {
  test(`an end without a usable duration is measured: ${given?.duration}`, async () => {
    const stats = collector();
    const silent = stats.trackPlayStart('t1');
    const told = stats.trackPlayStart('t1', { position: () => 77 });
    running += 31_000;
    stats.trackPlayEnd(silent, given);
    stats.trackPlayEnd(told, given);
    await stats.flush();
    assert.deepEqual(sentEvents().filter((event) => event.type === 'playEnd').map((event) => event.duration), [31, 77]);
  });
}

test('a page that comes back out of the cache goes on with its plays', async () => {
  let position = 30;
  const stats = collector();
  const playId = stats.trackPlayStart('t1', { trackDuration: 200, position: () => position });
  leave(true);
  position = 180;
  running += 150_000;
  stats.trackPlayEnd(playId, { duration: 180 });
  await stats.flush();
  assert.deepEqual([...await beaconEvents(), ...sentEvents()].filter((event) => event.type === 'playEnd').map((event) => event.duration), [180]);
});

test('one that is thrown away there, or killed while hidden, has left the ends of its plays behind', async () => {
  const first = collector();
  const playId = first.trackPlayStart('t1', { trackDuration: 200, position: () => 30 });
  leave(true);
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  const second = collector();
  for (let minute = 0; minute < 51 * 3; minute += 1) await later(20_000);
  await second.flush();
  const ends = sentEvents().filter((event) => event.type === 'playEnd');
  assert.deepEqual(ends.map((event) => [event.playId, event.duration]), [[playId, 30]]);
  first.trackPlayEnd(playId, { duration: 180 });
  await first.flush();
  assert.equal(sentEvents().at(-1).eventId, ends[0].eventId, 'the same end: the server keeps the first');
});

test('the play of a page that is stuck for a while is not ended by another page', async () => {
  let position = 5;
  const stuck = collector();
  const playId = stuck.trackPlayStart('t1', { trackDuration: 200, position: () => position });
  await later(10_000);
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  const other = collector();
  for (let turn = 0; turn < 12; turn += 1) await later(20_000);
  position = 190;
  stuck.trackPlayEnd(playId);
  await Promise.all([stuck.flush(), other.flush()]);
  const ends = sentEvents().filter((event) => event.type === 'playEnd');
  assert.deepEqual(ends.map((event) => event.duration), [190]);
});

test('after the device slept a page leaves the others the time to speak first', async () => {
  const sleeper = collector();
  const playId = sleeper.trackPlayStart('t1', { trackDuration: 10_000, position: () => 1 });
  const name = Object.keys(storage).find((key) => key.endsWith('.ends'));
  const kept = storage[name];
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  const other = collector();
  clock += 5 * 3_600_000;
  await later(5_000);
  await later(5_000);
  assert.equal(storage[name], kept);
  sleeper.trackPlayEnd(playId, { duration: 77 });
  await Promise.all([sleeper.flush(), other.flush()]);
  assert.deepEqual(sentEvents().filter((event) => event.type === 'playEnd').map((event) => event.duration), [77]);
});

test('a clock that is set back delays nothing', async () => {
  server.status = 0;
  const stats = collector();
  stats.trackLike('t1');
  await later(5_000);
  server.status = 200;
  clock -= 3_600_000;
  await later(5_000);
  assert.deepEqual(sentTypes(), ['like']);
});

test('stopping ends the plays that know where they are, and what comes afterwards is still sent', async () => {
  const stats = collector();
  stats.trackPlayStart('t1', { position: () => 60, trackDuration: 100 });
  stats.stop();
  assert.deepEqual((await beaconEvents()).map((event) => event.type), ['play', 'playEnd']);
  stats.trackLike('t1');
  await later(0);
  assert.ok(sentTypes().includes('like'));
});

test('a call that forgets what it must say throws nothing: the server names what is missing', async () => {
  const stats = collector();
  stats.trackSave('t1');
  stats.trackShare('t1');
  await stats.flush();
  assert.deepEqual(sentTypes(), ['save', 'share']);
});

for (const status of [400, 413, 422]) test(`an answer that refuses a whole batch costs only the event that is to blame: ${status}`, async () => {
  const seen = [];
  const stats = collector({
    onRejected: (event, reason) => seen.push([event.trackId, reason]),
    send: async (_url, { body }) => {
      const { events } = JSON.parse(body);
      const isBad = events.some((event) => event.trackId === 'bad');
      if (!isBad) server.batches.push({ events });
      return { status: isBad ? status : 200, headers: new Headers(), json: async () => ANSWER() };
    },
  });
  for (let count = 0; count < 49; count += 1) stats.trackLike(count === 30 ? 'bad' : 'good');
  await stats.flush();
  assert.deepEqual(stats.stats, { sent: 48, dropped: 0, refused: 1, waiting: 0 });
  assert.deepEqual(seen, [['bad', 'refused']]);
});

for (const [what, change] of [
  ['a page of somebody else, as behind a sign-in page', { answer: () => { throw new SyntaxError('<html>'); } }],
  ['JSON of somebody else', { answer: () => ({ ok: true }) }],
  ['a route that is not there yet', { status: 404 }],
]) {
  test(`what is answered by ${what} is kept and sent again`, async () => {
    const stats = collector();
    Object.assign(server, change);
    stats.trackLike('t1');
    await stats.flush();
    assert.deepEqual(stats.stats, { sent: 0, dropped: 0, refused: 0, waiting: 1 });
    Object.assign(server, { status: 200, answer: ANSWER });
    await later(60_000);
    assert.deepEqual(stats.stats, { sent: 1, dropped: 0, refused: 0, waiting: 0 });
  });
}

test('an event that no request could say is refused at once and holds nothing up', async () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const seen = [];
  const stats = collector({ onRejected: (event, reason) => seen.push(reason) });
  for (const trackId of [cyclic, 7n, undefined, {}]) stats.trackLike(trackId);
  stats.trackSave('t1', { playlistId: cyclic });
  stats.trackLike('t1');
  await stats.flush();
  leave();
  assert.deepEqual(seen, Array(5).fill('bad_field'));
  assert.deepEqual(sentTypes(), ['like']);
  assert.deepEqual(stats.stats, { sent: 1, dropped: 0, refused: 5, waiting: 0 });
});

for (const length of [NaN, Infinity, undefined, null, '180', () => NaN, () => { throw new Error('gone'); }]) {
  test(`a length that is none yet costs no end of a play: ${length}`, async () => {
    const stats = collector();
    stats.trackPlayEnd(stats.trackPlayStart('t1', { trackDuration: length }), { duration: 30 });
    await stats.flush();
    const { duration, trackDuration, completionRate } = sentEvents()[1];
    assert.deepEqual([duration, trackDuration, completionRate], [30, 0, null]);
  });
}

test('a length may be asked for when it is known', async () => {
  const audio = { duration: NaN };
  const stats = collector();
  const playId = stats.trackPlayStart('t1', { trackDuration: () => audio.duration });
  audio.duration = 60;
  stats.trackPlayEnd(playId, { duration: 30 });
  await stats.flush();
  assert.equal(sentEvents()[1].completionRate, 50);
});

const tokenOf = (sub) => `e30.${btoa(JSON.stringify({ sub }))}.x`;

test('a page that goes before its token is known leaves what waits to the next one, which says whose it is', async () => {
  const first = collector({ token: () => new Promise(() => {}) });
  first.trackLike('t1');
  leave();
  assert.equal(server.beacons.length, 0);
  page = new Page();
  clock += 1_000;
  const second = collector({ token: async () => tokenOf('eva') });
  await second.flush();
  assert.deepEqual(sentTypes(), ['like']);
  assert.equal(server.batches[0].token, tokenOf('eva'));
});

test('what one user left behind never goes with the token of another, and goes when the first is back', async () => {
  let user = 'eva';
  const token = async () => tokenOf(user);
  const first = collector({ token });
  await later(0);
  server.status = 0;
  first.trackLike('t1');
  await first.flush();
  server.takesBeacons = false;
  leave();
  Object.assign(server, { status: 200, takesBeacons: true });
  user = 'fred';
  page = new Page();
  const second = collector({ token });
  second.trackLike('t2');
  await second.flush();
  assert.deepEqual(server.batches.map((batch) => [batch.token, batch.events.map((event) => event.trackId)]), [[tokenOf('fred'), ['t2']]]);
  leave();
  assert.equal(server.beacons.length, 0);
  user = 'eva';
  await later(5_000);
  assert.deepEqual([server.batches[1].token, server.batches[1].events[0].trackId], [tokenOf('eva'), 't1']);
  assert.equal(server.batches[1].events[0].owner, undefined);
});

test('what a guest left behind goes without the token of who is signed in by then', async () => {
  server.status = 0;
  const first = collector({ token: async () => undefined });
  await later(0);
  first.trackLike('t1');
  server.takesBeacons = false;
  leave();
  Object.assign(server, { status: 200, takesBeacons: true });
  page = new Page();
  clock += 1_000;
  const second = collector({ token: () => tokenOf('eva') });
  second.trackLike('t2');
  leave();
  assert.deepEqual((await Promise.all(server.beacons.map((blob) => blob.text()))).map(JSON.parse).map(({ token, events }) => [token, events.map((event) => event.trackId)]),
    [[tokenOf('eva'), ['t2']], [undefined, ['t1']]]);
  running += 31_000;
  await second.flush();
  assert.deepEqual(server.batches.map(({ token, events }) => [token, events[0].trackId, events[0].owner]),
    [[tokenOf('eva'), 't2', undefined], [undefined, 't1', undefined]]);
});

test('a session that is found a moment later is whose the first clicks are', async () => {
  let token;
  const stats = collector({ token: () => token });
  stats.trackLike('t1');
  token = tokenOf('eva');
  await stats.flush();
  assert.equal(server.batches[0].token, tokenOf('eva'));
});

test('of two users of one page each has what was done under them', async () => {
  let user = 'eva';
  const stats = collector({ token: () => tokenOf(user) });
  stats.trackLike('by-eva');
  user = 'fred';
  stats.trackLike('by-fred');
  await stats.flush();
  user = 'eva';
  await stats.flush();
  assert.deepEqual(server.batches.map(({ token, events }) => [token, events.map((event) => event.trackId)]),
    [[tokenOf('fred'), ['by-fred']], [tokenOf('eva'), ['by-eva']]]);
});

test('a token that cannot be read is not taken for a guest', async () => {
  Object.assign(server, { status: 0, takesBeacons: false });
  const first = collector({ token: 'sealed' });
  first.trackLike('t1');
  leave();
  server.status = 200;
  page = new Page();
  clock += 1_000;
  await collector({ token: 'sealed' }).flush();
  assert.deepEqual(server.batches.map((batch) => batch.token), ['sealed']);
});

for (const [what, options] of [
  ['token', { token: () => new Promise(() => {}) }],
  ['request', { send: () => new Promise(() => {}) }],
]) {
  test(`a ${what} without any answer is given up after half a minute and tried again`, async () => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    let tries = 0;
    const counted = Object.fromEntries(Object.entries(options).map(([name, act]) => [name, () => { tries += 1; return act(); }]));
    const stats = collector(counted);
    stats.trackLike('t1');
    for (let turn = 0; turn < 30; turn += 1) await later(5_000);
    assert.ok(tries >= 3, `${tries} tries`);
    assert.equal(stats.stats.waiting, 1);
  });
}

test('with consent taken back no event goes with the device that it was made on', async () => {
  let said = true;
  const stats = collector({ consent: () => said });
  stats.trackLike('t1');
  said = false;
  await stats.flush();
  assert.deepEqual([server.batches[0].consent, sentEvents()[0].anonymousId], [false, undefined]);
});

test('a device id that the server would refuse is left out', async () => {
  const stats = collector({ anonymousId: 'ann@example.com' });
  stats.trackLike('t1');
  await stats.flush();
  assert.deepEqual([sentTypes(), sentEvents()[0].anonymousId], [['like'], undefined]);
});

test('no device id is made before there is consent, and one is as soon as it is given', async () => {
  let said;
  let made = 0;
  const stats = collector({ consent: () => said, anonymousId: () => { made += 1; return 'device'; } });
  stats.trackLike('t1');
  await stats.flush();
  assert.equal(made, 0);
  said = true;
  stats.trackLike('t1');
  await stats.flush();
  assert.deepEqual(server.batches.map((batch) => batch.consent), [undefined, true]);
  assert.deepEqual(sentEvents().map((event) => event.anonymousId), [undefined, 'device']);
});

test('consent that is no yes or no is not said', async () => {
  const stats = collector({ consent: 'yes' });
  stats.trackLike('t1');
  await stats.flush();
  assert.equal(server.batches[0].consent, undefined);
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
  assert.deepEqual([200, 401, 404, 413, 422, 429, 503, 410].map(verdict), ['taken', 'again', 'again', 'split', 'split', 'again', 'again', 'refused']);
  assert.ok(retryDelay(20, () => 1) <= 60_000);
  assert.ok(retryDelay(0, () => 0) < retryDelay(0, () => 1));
  assert.deepEqual(enqueue([1, 2], 3, () => false, 2), { events: [2, 3], dropped: 1 });
  assert.deepEqual(enqueue([1, 2], 3, (event) => event === 1, 2), { events: [1, 3], dropped: 1 });
  assert.deepEqual(portions([], JSON.stringify, 10), []);
  assert.deepEqual(portions(['x'.repeat(20)], JSON.stringify, 10), []);
});

/** Enough of React: each call of the hook is a component that renders once; `effects` mount them, one after the other. */
function react() {
  const effects = [];
  const React = { useState: (first) => [first, (value) => { React.seen = value; }], useEffect: (effect) => effects.push(effect) };
  return { React, mount: () => effects.splice(0).map((effect) => effect()).filter((end) => end !== undefined) };
}

test('a React tree shares one collector, and a play goes on while one page takes the place of another', async () => {
  const { React, mount } = react();
  const useStats = makeUseStats(React, collector);
  useStats({});
  useStats({});
  const ends = mount();
  const first = React.seen;
  const playId = first.trackPlayStart('t1', { trackDuration: 100, position: () => 50 });
  ends.forEach((end) => end());
  useStats({});
  mount();
  assert.equal(React.seen, first);
  React.seen.trackPlayEnd(playId, { duration: 90 });
  await React.seen.flush();
  assert.deepEqual(sentTypes(), ['play', 'playEnd']);
});

test('who signs in or consents later is heard by the collector that is there', async () => {
  const { React, mount } = react();
  const useStats = makeUseStats(React, collector);
  useStats({ consent: null });
  mount();
  React.seen.trackLike('t1');
  await React.seen.flush();
  assert.equal(server.batches.pop().events[0].anonymousId, undefined);
  useStats({ token: 'a.b.c', consent: true });
  mount();
  React.seen.trackLike('t1');
  await React.seen.flush();
  assert.deepEqual([server.batches[0].token, server.batches[0].consent], ['a.b.c', true]);
});

test('consent that a later component asks for is asked for, and not before', async () => {
  const { React, mount } = react();
  const useStats = makeUseStats(React, collector);
  for (const options of [{}, { consent: null }, { consent: true }, {}]) {
    useStats(options);
    mount();
    React.seen.trackLike('t1');
    await React.seen.flush();
  }
  assert.deepEqual(sentEvents().map((event) => event.anonymousId), ['device', undefined, 'device', 'device']);
});
