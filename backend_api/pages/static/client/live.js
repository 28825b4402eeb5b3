/**
 * The live count of a room on a web page.
 *
 *     import { io } from 'socket.io-client';
 *     import { watchRoom } from './live.js';
 *
 *     const live = watchRoom({
 *       io, url: 'https://presence.example', room: 'auction:42', join: true,
 *       onChange: ({ viewerCount }) => { badge.textContent = `${viewerCount} watching`; },
 *     });
 *     // later: live.stop();
 *
 * Owns one socket: joins (or only watches) the room after each connect, drops stale counts, tells whether the tab is
 * visible, moves on when the server drains. What it decides is in sync.js. Touches nothing global when imported.
 */

import { drainDelay, isCurrent, looksDifferent, readAck, readCount, readRefusal, retryDelay } from './sync.js';

export { persistentViewerId } from './identity.js';

const ACK_TIMEOUT_MS = 5_000;

/** See live.d.ts for every option. Returns a handle whose `stop()` leaves the room and closes the socket. */
export function watchRoom({
  url,
  room,
  path = '/socket.io/',
  transports = ['websocket', 'polling'],
  token,
  viewerId,
  join = false,
  io = globalThis.io,
  onChange = () => {},
  onStatus = () => {},
}) {
  if (typeof io !== 'function') throw new TypeError("watchRoom needs `io`: pass the one of 'socket.io-client'");
  if (typeof room !== 'string') throw new TypeError('watchRoom needs a `room` such as "auction:42"');

  const page = globalThis.document;
  const socket = io(url, {
    path,
    transports,
    tryAllTransports: true,
    // A connection of its own: draining switches reconnection off and on.
    forceNew: true,
    reconnectionDelayMax: 30_000,
    auth: (send) => {
      Promise.resolve(typeof token === 'function' ? token() : token)
        .catch(() => undefined)
        .then((fresh) => send({ ...(fresh && { token: fresh }), ...(viewerId && { viewerId }) }));
    },
  });

  let count = null;
  let status = null;
  let attempt = 0;
  let entry = 0;
  let timer = null;
  let isDraining = false;

  function say(next, error) {
    if (status?.status === next && status.error?.code === error?.code) return;
    status = { status: next, ...(error && { error }) };
    onStatus(status);
  }

  function after(delay, act) {
    clearTimeout(timer);
    timer = setTimeout(act, delay);
  }

  function take(next) {
    if (next === null || !isCurrent(count, next)) return;
    const isNews = looksDifferent(count, next);
    count = next;
    if (isNews) onChange(next);
  }

  function enter() {
    const mine = ++entry;
    if (join && page?.hidden) socket.emit('active', { active: false });
    socket.timeout(ACK_TIMEOUT_MS).emit(join ? 'join' : 'watch', { room }, (timedOut, answer) => {
      // An answer to an earlier connection, or one that a disconnect or a drain cut off: the next connect asks again.
      if (mine !== entry || isDraining || !socket.connected) return;
      const { count: found, retry, refused } = readAck(room, timedOut, answer);
      if (refused) return refuse(refused);
      if (retry) return retryLater(retry, enter);
      attempt = 0;
      take(found);
      say('live');
    });
  }

  function retryLater(error, act) {
    say('reconnecting', error);
    after(retryDelay(attempt++, Math.random()), act);
  }

  function refuse(error) {
    close();
    say('refused', error);
  }

  function move() {
    isDraining = false;
    socket.io.reconnection(true);
    socket.disconnect();
    socket.connect();
  }

  function close() {
    entry++;
    clearTimeout(timer);
    page?.removeEventListener('visibilitychange', tellVisibility);
    for (const [event, handler] of Object.entries(handlers)) socket.off(event, handler);
    socket.disconnect();
  }

  function tellVisibility() {
    if (socket.connected) socket.emit('active', { active: !page.hidden });
  }

  const handlers = {
    connect: () => {
      clearTimeout(timer);
      enter();
    },
    viewerCountUpdate: (_viewerCount, details) => take(readCount(room, details)),
    'server:draining': (message) => {
      isDraining = true;
      socket.io.reconnection(false);
      after(drainDelay(message), move);
      say('draining');
    },
    disconnect: (reason) => {
      if (isDraining || reason === 'io client disconnect') return;
      entry++;
      const error = { code: 'disconnected', message: reason };
      // After a polite DISCONNECT the client library does not come back by itself.
      if (reason === 'io server disconnect') retryLater(error, () => socket.connect());
      else say('reconnecting', error);
    },
    connect_error: (cause) => {
      if (socket.active) return say('reconnecting', { code: 'unreachable', message: cause.message });
      const { retry, refused } = readRefusal(cause);
      return retry ? retryLater(retry, () => socket.connect()) : refuse(refused);
    },
  };

  for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler);
  if (join) page?.addEventListener('visibilitychange', tellVisibility);
  say('connecting');
  return { stop: close };
}
