// startListeningSession against a scripted socket and a scripted backend: what it shows, keeps, sends and gives up.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { endListeningSession, startListeningSession, updateListeningSession } from '../../backend_api/pages/static/client/listening.js';
import { withEmptyHours } from '../../backend_api/pages/static/js/hours.js';

const HTTP_SESSION = { id: 'h1', sessionToken: 'token-h1', startTime: '2026-11-21T10:00:00Z' };
const SOCKET_SESSION = { sessionId: 's1', sessionToken: 'token-s1', startedAt: '2026-11-21T10:00:00Z', resumed: false };

class ScriptedSocket {
  connected = false;
  active = true;
  sent = [];
  listeners = new EventEmitter();

  on(event, handler) { this.listeners.on(event, handler); }
  off(event, handler) { this.listeners.off(event, handler); }
  connect() { this.connects = (this.connects ?? 0) + 1; }
  disconnect() { this.connected = false; }
  emit(event, body) { this.sent.push([event, body]); }
  timeout() { return { emitWithAck: async (event, body) => { this.emit(event, body); return { ok: true }; } }; }
  hears(event, body) { this.listeners.emit(event, body); }
  shown() { return new Promise((done) => this.options.auth(done)); }
}

/** Pages of one browser that hear each other, and not themselves. */
class Duplicates {
  static open = new Set();

  constructor() { Duplicates.open.add(this); }
  postMessage(data) { for (const other of Duplicates.open) if (other !== this) other.onmessage({ data }); }
  close() { Duplicates.open.delete(this); }
}

let socket;
let calls;
let answers;
let beacons;
let stored;
const settled = async () => { for (let turn = 0; turn < 20; turn += 1) await Promise.resolve(); };
const io = (url, options) => Object.assign(socket, { url, options });
const answer = (status, data) => ({ ok: status < 300, status, statusText: '', json: async () => ({ data }) });

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  socket = new ScriptedSocket();
  globalThis.BroadcastChannel = Duplicates;
  Duplicates.open.clear();
  [calls, answers, beacons, stored] = [[], [], [], new Map()];
  mock.method(globalThis, 'fetch', async (url, { method, body }) => {
    calls.push([method, url, JSON.parse(body)]);
    return answers.shift() ?? answer(201, HTTP_SESSION);
  });
  globalThis.sessionStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { sendBeacon: (url, blob) => beacons.push([url, blob]) } });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test('a socket carries the session, and a stop is acknowledged', async () => {
  const said = [];
  const handle = startListeningSession({ io, url: 'p', channelId: 'c1', onStatus: ({ status }) => said.push(status) });
  assert.equal(socket.url, 'p/listening');
  assert.deepEqual(await socket.shown(), { channelId: 'c1' });
  socket.connected = true;
  socket.hears('session', SOCKET_SESSION);
  assert.equal(handle.session.via, 'socket');
  updateListeningSession(handle, { buffering: 1 });
  await endListeningSession(handle);
  assert.deepEqual(socket.sent, [['quality', { buffering: 1 }], ['stop', {}]]);
  assert.deepEqual(said, ['connecting', 'live', 'ended']);
  assert.equal(stored.size, 0);
});

test('a page that was reloaded shows the token of the page before, an old one is not shown', async () => {
  stored.set('presence.listening.c1', JSON.stringify({ id: 'b1', token: 'before', at: Date.now() - 5_000 }));
  startListeningSession({ io, url: 'p', channelId: 'c1' });
  assert.equal((await socket.shown()).sessionToken, 'before');
  stored.set('presence.listening.c2', JSON.stringify({ id: 'o1', token: 'old', at: Date.now() - 200_000 }));
  startListeningSession({ io, url: 'p', channelId: 'c2' });
  assert.equal((await socket.shown()).sessionToken, undefined);
});

test('without a socket in five seconds HTTP starts, beats, and hands over to the socket', async () => {
  const handle = startListeningSession({ io, url: 'p', backendUrl: 'b', channelId: 'c1' });
  mock.timers.tick(5_000);
  await settled();
  assert.deepEqual(calls, [['POST', 'b/listening-sessions', { channelId: 'c1' }]]);
  answers.push(answer(200, {}));
  mock.timers.tick(45_000);
  await settled();
  assert.deepEqual(calls[1], ['PATCH', 'b/listening-sessions/h1', { sessionToken: 'token-h1' }]);
  assert.equal((await socket.shown()).sessionToken, 'token-h1');
  socket.connected = true;
  socket.hears('session', { ...SOCKET_SESSION, sessionId: 'h1', resumed: true });
  await settled();
  assert.deepEqual(calls[2], calls[1], 'a last beat: the one before may be long ago');
  mock.timers.tick(200_000);
  await settled();
  assert.equal(calls.length, 3);
  assert.deepEqual([handle.session.sessionId, handle.session.via], ['h1', 'socket']);
});

test('a session that HTTP began too late is ended at once', async () => {
  const goneOnWithOverHttp = () => {
    socket.hears('session', SOCKET_SESSION);
    socket.hears('disconnect', 'transport close');
    mock.timers.tick(5_000);
  };
  for (const overtaken of [() => socket.hears('session', SOCKET_SESSION), (handle) => endListeningSession(handle), goneOnWithOverHttp]) {
    let answerNow;
    answers = [new Promise((done) => { answerNow = done; })];
    beacons = [];
    const handle = startListeningSession({ io, url: 'p', backendUrl: 'b', channelId: 'c1' });
    mock.timers.tick(5_000);
    await settled();
    overtaken(handle);
    answerNow(answer(201, HTTP_SESSION));
    await settled();
    assert.deepEqual(await Promise.all(beacons.map(async ([url, blob]) => [url, JSON.parse(await blob.text())])), [['b/listening-sessions/h1/end', { sessionToken: 'token-h1' }]]);
    endListeningSession(handle);
  }
});

test('a session that ended meanwhile is followed by a new one', async () => {
  const began = [];
  startListeningSession({ backendUrl: 'b', channelId: 'c1', onSession: ({ sessionId }) => began.push(sessionId) });
  await settled();
  answers.push(answer(409, {}), answer(201, { ...HTTP_SESSION, id: 'h2' }));
  mock.timers.tick(45_000);
  await settled();
  mock.timers.tick(0);
  await settled();
  assert.deepEqual(began, ['h1', 'h2']);
});

test('over HTTP a page that was reloaded goes on with its session, or begins one where that is over', async () => {
  for (const [status, wanted] of [[200, ['b1']], [409, ['h1']]]) {
    calls = [];
    stored.set('presence.listening.c1', JSON.stringify({ id: 'b1', token: 'before', at: Date.now() - 5_000 }));
    answers.push(answer(status, { startTime: '2026-11-21T09:59:00Z' }));
    const began = [];
    const handle = startListeningSession({ backendUrl: 'b', channelId: 'c1', onSession: ({ sessionId }) => began.push(sessionId) });
    await settled();
    mock.timers.tick(0);
    await settled();
    assert.deepEqual(calls[0], ['PATCH', 'b/listening-sessions/b1', { sessionToken: 'before' }]);
    assert.deepEqual(began, wanted);
    await endListeningSession(handle);
  }
});

test('the close of a page over HTTP may be a reload, and says so', async () => {
  const closed = [];
  globalThis.addEventListener = (event, handler) => event === 'pagehide' && closed.push(handler);
  startListeningSession({ backendUrl: 'b', channelId: 'c1' });
  await settled();
  closed[0]({ persisted: false });
  delete globalThis.addEventListener;
  const [[url, blob]] = beacons;
  assert.equal(url, 'b/listening-sessions/h1/end');
  assert.deepEqual(JSON.parse(await blob.text()), { reason: 'pageClose', sessionToken: 'token-h1' });
});

test('a duplicated tab over HTTP beats when the other one closed, before the grace is over', async () => {
  const closed = [];
  globalThis.addEventListener = (event, handler) => event === 'pagehide' && closed.push(handler);
  const [first, second] = ['c1', 'c1'].map((channelId) => startListeningSession({ backendUrl: 'b', channelId }));
  await settled();
  delete globalThis.addEventListener;
  closed[0]({ persisted: false });
  calls = [];
  endListeningSession(first);
  mock.timers.tick(5_000);
  await settled();
  assert.deepEqual(calls, [['PATCH', 'b/listening-sessions/h1', { sessionToken: 'token-h1' }]]);
  await endListeningSession(second);
  assert.equal(Duplicates.open.size, 0);
});

test('a socket that comes back after a night shows no token', async () => {
  startListeningSession({ io, url: 'p', backendUrl: 'b', channelId: 'c1' });
  socket.connected = true;
  socket.hears('session', SOCKET_SESSION);
  mock.timers.tick(100_000);
  assert.equal((await socket.shown()).sessionToken, 'token-s1');
  mock.timers.setTime(Date.now() + 8 * 3_600_000);
  assert.equal((await socket.shown()).sessionToken, undefined);
});

test('over HTTP the end is a beacon with the token', async () => {
  const handle = startListeningSession({ backendUrl: 'b', channelId: 'c1' });
  await settled();
  await endListeningSession(handle, { durationSeconds: 7 });
  const [[url, blob]] = beacons;
  assert.equal(url, 'b/listening-sessions/h1/end');
  assert.deepEqual([blob.type, JSON.parse(await blob.text())], ['text/plain', { durationSeconds: 7, sessionToken: 'token-h1' }]);
});

test('a refusal is for good', async () => {
  const said = [];
  startListeningSession({ io, url: 'p', backendUrl: 'b', channelId: 'c1', onStatus: ({ status, error }) => said.push([status, error?.code]) });
  socket.hears('connect_error', Object.assign(new Error('no'), { data: { code: 'unauthorized' } }));
  mock.timers.tick(60_000);
  await settled();
  assert.deepEqual(said, [['connecting', undefined], ['refused', 'unauthorized']]);
  assert.equal(calls.length, 0);
});

test('hours without listening are there as zeros, also where clocks are half an hour off', () => {
  const hours = [{ hour: '2026-11-21T10:30:00Z', listeners: 2, listenerHours: 1.5 }];
  const from = Date.parse('2026-11-21T09:00:00Z') / 1_000;
  const all = withEmptyHours(hours, { from, to: from + 3 * 3_600 });
  assert.deepEqual(all.map(({ listeners, listenerHours }) => [listeners, listenerHours]), [[0, 0], [2, 1.5], [0, 0]]);
});
