/** The study client against a socket and a server that the test plays. */

import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';

import { studyHook } from '../../backend_api/pages/static/client/study-react.js';
import { dailyHours, endTracking, isTracking, startTracking, subjectOf } from '../../backend_api/pages/static/client/study.js';

const TOKEN = `x.${Buffer.from(JSON.stringify({ sub: 'änn' })).toString('base64url')}.y`;
const realFetch = globalThis.fetch;

/** What a socket of the page would show now. */
const shown = (socket) => new Promise((resolve) => { socket.options.auth(resolve); });
const settled = () => new Promise((resolve) => { setImmediate(resolve); });

afterEach(async () => {
  mock.timers.reset();
  await endTracking('c1');
  await endTracking('c2');
  globalThis.fetch = realFetch;
});

/** A socket that is told what to hear. */
function fakeIo() {
  const made = [];
  const io = (url, options) => {
    const handlers = {};
    const socket = {
      url, options, connected: true, sent: [],
      on: (event, handler) => { handlers[event] = handler; },
      hear: (event, ...what) => handlers[event](...what),
      timeout: () => ({ emitWithAck: async (event) => { socket.sent.push(event); return { ok: true }; } }),
      disconnect: () => { socket.connected = false; },
    };
    made.push(socket);
    return socket;
  };
  return { io, made };
}

function fakeServer() {
  const asked = [];
  globalThis.fetch = async (target, options = {}) => {
    asked.push([target, options.body && JSON.parse(options.body)]);
    return { ok: true, json: async () => ({ data: { id: 's1', sessionToken: 't1', joinedAt: new Date().toISOString(), days: [{ date: '2026-11-21' }] } }) };
  };
  return asked;
}

test('a socket carries the session and tells the duration', async () => {
  const { io, made } = fakeIo();
  const heard = [];
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1', onDuration: (said) => heard.push(said), onStatus: ({ status }) => heard.push(status) });
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  assert.equal(made.length, 1);
  assert.equal(made[0].url, 'http://p/study');
  made[0].hear('session', { sessionId: 's', sessionToken: 't', startedAt: '2026-11-21T10:00:00Z', resumed: false });
  made[0].hear('duration', { callId: 'c1', durationSeconds: 30, source: 'server' });
  assert.deepEqual(heard, ['connecting', 'live', { callId: 'c1', durationSeconds: 30, source: 'server' }]);
  assert.equal(isTracking('c1'), true);
  await endTracking('c1');
  assert.deepEqual(made[0].sent, ['end']);
  assert.equal(isTracking(), false);
});

test('without a socket HTTP starts and ends it', async () => {
  const asked = fakeServer();
  const sessions = [];
  startTracking({ backendUrl: 'http://b', token: () => TOKEN, callId: 'c1', onSession: (session) => sessions.push(session) });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(sessions[0].via, 'http');
  await endTracking('c1');
  assert.deepEqual(asked.map(([, body]) => body), [
    { userId: 'änn', callId: 'c1', action: 'start' }, { userId: 'änn', callId: 'c1', action: 'end' },
  ]);
});

test('a socket that comes late goes on with what HTTP began, and nothing is missing between the two', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_795_257_000_000 });
  const asked = fakeServer();
  const { io, made } = fakeIo();
  startTracking({ io, url: 'http://p', backendUrl: 'http://b', token: TOKEN, callId: 'c1' });
  const [socket] = made;
  socket.connected = false;
  assert.equal((await shown(socket)).sessionToken, undefined);
  mock.timers.tick(5_000);
  await settled();
  assert.deepEqual(asked.map(([, body]) => body.action), ['start']);
  mock.timers.tick(40_000);
  assert.equal((await shown(socket)).sessionToken, 't1');
  socket.connected = true;
  socket.hear('session', { sessionId: 's1', sessionToken: 't2', startedAt: '2026-11-21T10:00:00Z', resumed: true });
  await settled();
  assert.deepEqual(asked.map(([, body]) => body.action), ['start', 'start']);
  mock.timers.tick(120_000);
  await settled();
  assert.equal(asked.length, 2);
  assert.equal((await shown(socket)).sessionToken, 't2');
});

test('a page that slept begins anew', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_795_257_000_000 });
  fakeServer();
  const { io, made } = fakeIo();
  startTracking({ io, url: 'http://p', backendUrl: 'http://b', token: TOKEN, callId: 'c1' });
  made[0].connected = false;
  mock.timers.tick(5_000);
  await settled();
  mock.timers.setTime(1_795_257_000_000 + 8 * 3_600_000);
  assert.equal((await shown(made[0])).sessionToken, undefined);
});

test('several calls at once are several sessions', () => {
  const { io, made } = fakeIo();
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c2' });
  assert.equal(made.length, 2);
  assert.equal(isTracking('c1') && isTracking('c2') && !isTracking('c3'), true);
});

test('daily hours are asked for in a time zone', async () => {
  const asked = fakeServer();
  assert.deepEqual(await dailyHours({ backendUrl: 'http://b', token: TOKEN, tz: 'Asia/Tokyo' }), [{ date: '2026-11-21' }]);
  assert.equal(asked[0][0], 'http://b/api/study-sessions/daily?tz=Asia%2FTokyo');
});

test('a token that is none speaks for nobody', () => {
  assert.equal(subjectOf(TOKEN), 'änn');
  for (const token of [null, '', 'a.b.c', 'a']) assert.equal(subjectOf(token), null);
});

test('the hook tracks while it is mounted', async () => {
  const { io, made } = fakeIo();
  let state;
  let unmount;
  const useStudyCall = studyHook({
    useState: (first) => { state = first; return [state, (change) => { state = change(state); }]; },
    useEffect: (effect) => { unmount = effect(); },
  });
  useStudyCall({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  made[0].hear('duration', { callId: 'c1', durationSeconds: 60, source: 'server' });
  assert.deepEqual(state, { status: 'connecting', durationSeconds: 60 });
  unmount();
  assert.equal(isTracking('c1'), false);
});

test('two components on one call hear the same, and the last to leave ends it', async () => {
  const { io, made } = fakeIo();
  const states = [];
  const unmounts = [];
  const useStudyCall = studyHook({
    useState: (first) => { const at = states.push(first) - 1; return [first, (change) => { states[at] = change(states[at]); }]; },
    useEffect: (effect) => { unmounts.push(effect()); },
  });
  useStudyCall({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  made[0].hear('session', { sessionId: 's', sessionToken: 't', startedAt: '2026-11-21T10:00:00Z', resumed: false });
  made[0].hear('duration', { callId: 'c1', durationSeconds: 30, source: 'server' });
  useStudyCall({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  assert.deepEqual(states[1], { status: 'live', durationSeconds: 30 });
  made[0].hear('duration', { callId: 'c1', durationSeconds: 60, source: 'server' });
  assert.deepEqual(states, [{ status: 'live', durationSeconds: 60 }, { status: 'live', durationSeconds: 60 }]);
  unmounts[0]();
  unmounts[0]();
  made[0].hear('duration', { callId: 'c1', durationSeconds: 90, source: 'server' });
  assert.deepEqual([made.length, isTracking('c1'), ...states.map((state) => state.durationSeconds)], [1, true, 60, 90]);
  unmounts[1]();
  assert.equal(isTracking('c1'), false);
});

test('who leaves the call leaves it for everybody on the page', async () => {
  const { io, made } = fakeIo();
  const heard = [];
  const leave = startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1', onStatus: ({ status }) => heard.push(status) });
  made[0].hear('session', { sessionId: 's', sessionToken: 't', startedAt: '2026-11-21T10:00:00Z', resumed: false });
  await endTracking('c1');
  assert.deepEqual([heard.at(-1), made[0].sent], ['ended', ['end']]);
  startTracking({ io, url: 'http://p', token: TOKEN, callId: 'c1' });
  await leave();
  assert.equal(isTracking('c1'), true);
});
