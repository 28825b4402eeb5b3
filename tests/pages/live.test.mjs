// watchRoom against a scripted socket: what it sends, and what it does with answers, silence, drains and refusals.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { persistentViewerId, watchRoom } from '../../backend_api/pages/static/client/live.js';

const ROOM = 'auction:1';
const counts = (viewerCount, seq, over = {}) => ({
  room: ROOM, viewerCount, uniqueViewers: viewerCount, activeViewers: viewerCount, epoch: 'a', seq, ...over,
});

/** Speaks like a socket of socket.io-client; the test is its server. */
class ScriptedSocket {
  connected = false;
  active = true;
  sent = [];
  connects = 0;
  listeners = new EventEmitter();
  io = { isOn: true, reconnection: (on) => { this.io.isOn = on; } };

  on(event, handler) { this.listeners.on(event, handler); }
  off(event, handler) { this.listeners.off(event, handler); }
  connect() { this.connects += 1; }
  disconnect() {
    const wasConnected = this.connected;
    this.connected = false;
    if (wasConnected) this.hears('disconnect', 'io client disconnect');
  }
  emit(event, body) { this.sent.push({ event, body }); }
  timeout(ms) {
    return {
      emit: (event, body, done) => {
        const expiry = setTimeout(() => done(new Error('operation has timed out')), ms);
        const answer = (value) => { clearTimeout(expiry); done(null, value); };
        this.sent.push({ event, body, answer });
      },
    };
  }

  hears(event, ...values) { this.listeners.emit(event, ...values); }
  accept() { this.connected = true; this.hears('connect'); }
  drop(reason = 'transport close') { this.connected = false; this.hears('disconnect', reason); }
  last() { return this.sent.at(-1); }
  asked() { return this.sent.filter(({ answer }) => answer).map(({ event }) => event); }
}

function watch(options = {}) {
  const seen = { counts: [], statuses: [] };
  const socket = new ScriptedSocket();
  const live = watchRoom({
    url: 'http://presence.test', room: ROOM, join: true,
    io: (url, settings) => Object.assign(socket, { url, settings }),
    onChange: (count) => seen.counts.push(count.viewerCount),
    onStatus: ({ status, error }) => seen.statuses.push(error ? `${status}:${error.code}` : status),
    ...options,
  });
  return { live, socket, seen };
}

function joined(options) {
  const all = watch(options);
  all.socket.accept();
  all.socket.last().answer({ ok: true, ...counts(1, 1) });
  return all;
}

function fakePage() {
  const page = Object.assign(new EventTarget(), { hidden: false });
  page.show = (visible) => { page.hidden = !visible; page.dispatchEvent(new Event('visibilitychange')); };
  globalThis.document = page;
  return page;
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => { mock.timers.reset(); mock.restoreAll(); delete globalThis.document; });

test('it joins at connect, shows the count of the ack, then those of the updates', () => {
  const { socket, seen } = joined();
  socket.hears('viewerCountUpdate', 2, counts(2, 2));
  assert.deepEqual(socket.asked(), ['join']);
  assert.deepEqual(seen, { counts: [1, 2], statuses: ['connecting', 'live'] });
});

test('a page that only looks watches and never says that it is active', () => {
  const page = fakePage();
  const { socket } = joined({ join: false });
  page.show(false);
  assert.deepEqual(socket.sent.map(({ event }) => event), ['watch']);
});

test('stale updates and those of other rooms are dropped, a new epoch is taken', () => {
  const { socket, seen } = joined();
  socket.hears('viewerCountUpdate', 5, counts(5, 9));
  socket.hears('viewerCountUpdate', 4, counts(4, 8));
  socket.hears('viewerCountUpdate', 7, counts(7, 10, { room: 'auction:2' }));
  socket.hears('viewerCountUpdate', 3, counts(3, 1, { epoch: 'b' }));
  assert.deepEqual(seen.counts, [1, 5, 3]);
});

test('it joins again after every reconnect', () => {
  const { socket, seen } = joined();
  socket.drop();
  socket.accept();
  socket.last().answer({ ok: true, ...counts(1, 1, { epoch: 'b' }) });
  assert.deepEqual(socket.asked(), ['join', 'join']);
  assert.deepEqual(seen.statuses, ['connecting', 'live', 'reconnecting:disconnected', 'live']);
});

test('an ack that does not come is asked for again on the same connection', () => {
  const { socket, seen } = watch();
  socket.accept();
  mock.timers.tick(5_000);
  assert.deepEqual(seen.statuses, ['connecting', 'reconnecting:timeout']);
  mock.timers.tick(1_000);
  assert.deepEqual(socket.asked(), ['join', 'join']);
  socket.last().answer({ ok: true, ...counts(1, 1) });
  assert.equal(seen.statuses.at(-1), 'live');
});

test('slow_down is retried, each time later', () => {
  mock.method(Math, 'random', () => 0);
  const { socket } = watch();
  socket.accept();
  for (const delay of [500, 1_000, 2_000]) {
    const before = socket.asked().length;
    socket.last().answer({ ok: false, error: { code: 'slow_down', message: 'Slow down.' } });
    mock.timers.tick(delay - 1);
    assert.equal(socket.asked().length, before);
    mock.timers.tick(1);
    assert.equal(socket.asked().length, before + 1);
  }
});

test('a refusal is final: it is told with its code, and the socket is closed', () => {
  const { socket, seen } = watch();
  socket.accept();
  socket.last().answer({ ok: false, error: { code: 'forbidden', message: 'Not yours.' } });
  mock.timers.tick(600_000);
  assert.equal(seen.statuses.at(-1), 'refused:forbidden');
  assert.equal(socket.connected, false);
  assert.equal(socket.connects, 0);
});

test('an answer to an earlier connection is ignored', () => {
  const { socket, seen } = watch();
  socket.accept();
  const early = socket.last();
  socket.drop();
  socket.accept();
  early.answer({ ok: true, ...counts(9, 9) });
  socket.last().answer({ ok: true, ...counts(1, 1, { epoch: 'b' }) });
  assert.deepEqual(seen.counts, [1]);
});

test('a draining server is left after the time it asks for, not before', () => {
  const { socket, seen } = joined();
  socket.hears('server:draining', { retryInMs: 4_000 });
  socket.drop();
  assert.equal(socket.io.isOn, false);
  mock.timers.tick(3_999);
  assert.equal(socket.connects, 0);
  mock.timers.tick(1);
  assert.equal(socket.connects, 1);
  assert.equal(socket.io.isOn, true);
  assert.deepEqual(seen.statuses, ['connecting', 'live', 'draining']);
});

test('a draining server that does not close is left all the same', () => {
  const { socket } = joined();
  socket.hears('server:draining', { retryInMs: 1_000 });
  mock.timers.tick(1_000);
  assert.equal(socket.connected, false);
  assert.equal(socket.connects, 1);
});

test('an ack that fails while the server drains does not put off the move', () => {
  const { socket } = watch();
  socket.accept();
  socket.hears('server:draining', { retryInMs: 8_000 });
  mock.timers.tick(5_000);
  assert.deepEqual(socket.asked(), ['join']);
  mock.timers.tick(3_000);
  assert.equal(socket.connects, 1);
});

test('a polite disconnect by the server is followed by a new connect', () => {
  const { socket, seen } = joined();
  socket.drop('io server disconnect');
  mock.timers.tick(1_000);
  assert.equal(socket.connects, 1);
  assert.equal(seen.statuses.at(-1), 'reconnecting:disconnected');
});

test('a connection that fails on the way is the client library\'s to retry; one that is refused ends', () => {
  const { socket, seen } = watch();
  socket.hears('connect_error', new Error('xhr poll error'));
  assert.equal(seen.statuses.at(-1), 'reconnecting:unreachable');
  socket.active = false;
  socket.hears('connect_error', Object.assign(new Error('no'), { data: { code: 'unauthorized', message: 'Expired.' } }));
  assert.equal(seen.statuses.at(-1), 'refused:unauthorized');
});

test('a hidden tab says so: at each change, and before it joins', () => {
  const page = fakePage();
  const { socket } = joined();
  page.show(false);
  page.show(true);
  assert.deepEqual(socket.sent.slice(1).map(({ body }) => body), [{ active: false }, { active: true }]);
  page.show(false);
  socket.drop();
  socket.accept();
  assert.deepEqual(socket.sent.slice(-2).map(({ event }) => event), ['active', 'join']);
});

test('after stop there is no call, no timer and no listener', () => {
  const page = fakePage();
  const { live, socket, seen } = joined();
  const before = structuredClone(seen);
  live.stop();
  socket.hears('viewerCountUpdate', 9, counts(9, 9));
  page.show(false);
  mock.timers.tick(600_000);
  assert.deepEqual(seen, before);
  assert.equal(socket.listeners.eventNames().length, 0);
  assert.equal(socket.last().event, 'join');
});

test('the handshake carries a fresh token each time, the viewer id, and nothing that is not there', async () => {
  const tokens = ['one', 'two'];
  const { socket } = watch({ token: async () => tokens.shift(), viewerId: 'v1' });
  const handshake = (settings) => new Promise((resolve) => { settings.auth(resolve); });
  assert.deepEqual(await handshake(socket.settings), { token: 'one', viewerId: 'v1' });
  assert.deepEqual(await handshake(socket.settings), { token: 'two', viewerId: 'v1' });
  assert.deepEqual(await handshake(watch().socket.settings), {});
  const failing = watch({ token: () => Promise.reject(new Error('signed out')) });
  assert.deepEqual(await handshake(failing.socket.settings), {});
});

test('without an io it says what is missing', () => {
  assert.throws(() => watchRoom({ url: 'http://presence.test', room: ROOM }), /socket\.io-client/);
  assert.throws(() => watchRoom({ url: 'http://presence.test', io: () => null }), /room/);
});

test('the anonymous id is kept, is new where what is kept is not one, and survives blocked storage', () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const first = persistentViewerId(storage);
  assert.match(first, /^[0-9a-f]{32}$/);
  assert.equal(persistentViewerId(storage), first);
  kept.set([...kept.keys()][0], '<b>');
  assert.match(persistentViewerId(storage), /^[0-9a-f]{32}$/);
  const blocked = { getItem() { throw new Error('denied'); } };
  assert.equal(persistentViewerId(blocked), persistentViewerId(null));
  assert.equal(persistentViewerId(), undefined);
});
