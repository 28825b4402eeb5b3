/**
 * `/api/zoom/track`: the student's page of a lesson. Opening it starts nothing: the countdown's end or Join does.
 *
 * The token leaves the address bar at once and lives in this tab's sessionStorage. While the lesson is on, the page
 * beats over HTTP and holds a socket; either is enough. A page that goes for good says so with a beacon; one that was
 * only reloaded beats again a moment later, which takes that back.
 */

import { enterState, find, show } from '../dom.js';
import { formatLength } from '../format.js';
import { elapsedSeconds, overWords } from '../lesson.js';
import { io } from '../../vendor/socket.io.esm.min.js';

const KEY = 'presence.lesson';
const END_KEY = 'presence.lesson.end';
const COUNTDOWN_SECONDS = 5;
const BEAT_MS = 25_000;
const RETRY_MS = 3_000;
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 15_000;
const LOOKS = 8;
const ON_THE_WAY_MS = 5_000;

const token = takeToken();
let lesson = null;
let skewMs = 0;
let left = COUNTDOWN_SECONDS;
let isStarting = false;
let isEnding = false;
let wish = keptWish();
let isEndHeard = false;
let looksLeft = LOOKS;
let isOnTheWay = false;
let retry = null;
let socket = null;

find('[data-join]').addEventListener('click', () => start(openTab()));
find('[data-end]').addEventListener('click', end);
setInterval(tick, 1_000);
setInterval(() => lesson?.status === 'active' && beat(), BEAT_MS);
document.addEventListener('visibilitychange', () => document.hidden || lesson?.status !== 'active' || beat());
addEventListener('pageshow', (event) => event.persisted && beat());
addEventListener('online', () => beat());
addEventListener('offline', () => showReach(false));
find('[data-meeting]').addEventListener('click', onTheWay);
addEventListener('pagehide', (event) => {
  if (event.persisted || isOnTheWay || lesson?.status !== 'active') return;
  navigator.sendBeacon('/api/zoom/end-session', JSON.stringify({ token, ...(wish ?? saidNow('pageClose')) }));
});
beat();

function takeToken() {
  const given = new URLSearchParams(location.search).get('token');
  try {
    if (given !== null && given !== sessionStorage.getItem(KEY)) {
      sessionStorage.removeItem(END_KEY);
      sessionStorage.setItem(KEY, given);
    }
    return given ?? sessionStorage.getItem(KEY);
  } catch {
    return given;
  } finally {
    history.replaceState(null, '', location.pathname);
  }
}

function keptWish() {
  try {
    return JSON.parse(sessionStorage.getItem(END_KEY));
  } catch {
    return null;
  }
}

function keepWish(wanted) {
  wish = wanted;
  show('active-title', wish === null ? 'Session active' : 'Ending the session');
  try {
    if (wish === null) sessionStorage.removeItem(END_KEY);
    else sessionStorage.setItem(END_KEY, JSON.stringify(wish));
  } catch {
    // Then it lives as long as this page.
  }
}

async function call(action, more = {}) {
  let response;
  try {
    response = await fetch(`/api/zoom/${action}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token, ...more }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    showReach(false);
    return { status: 0 };
  }
  const body = await response.json().catch(() => ({}));
  showReach(response.status < 500);
  return { status: response.status, data: body.data, detail: body.detail };
}

function showReach(isReached) {
  find('[data-offline]').hidden = isReached;
  const standing = lesson?.status === 'active' ? 'The lesson goes on; this page keeps trying.' : 'The lesson has not begun.';
  show('offline', wish === null ? standing : 'This page keeps trying.');
  if (isReached && wish === null) show('end-problem', '');
}

// Browsers inside of messengers open the meeting in this very tab: the page is left for it, not closed.
function onTheWay() {
  isOnTheWay = true;
  setTimeout(() => { isOnTheWay = false; }, ON_THE_WAY_MS);
}

async function beat() {
  clearTimeout(retry);
  if (!token) return enterState('invalid');
  if (wish !== null) return end();
  const { status, data } = await call('heartbeat');
  if (data) return take(data);
  if (status === 401 || status === 404 || status === 422) enterState('invalid');
  else if (lesson === null || ['active', 'timeout'].includes(lesson.status)) retry = setTimeout(beat, RETRY_MS);
}

function take(data) {
  if (lesson === null || lesson.status !== data.status) enterState(stateOf(data.status));
  skewMs = Date.parse(data.serverTime) - Date.now();
  lesson = { ...lesson, ...data };
  if (lesson.status === 'active') {
    looksLeft = LOOKS;
    connect();
    if (!lesson.link) wayToMeeting();
    tick();
  } else if (lesson.status !== 'pending') {
    over();
  }
}

const stateOf = (status) => (status === 'pending' || status === 'active' ? status : 'over');

function tick() {
  if (lesson?.status === 'active' && wish === null) show('timer', formatLength(Math.max(0, Math.floor(elapsedSeconds(lesson.clickedAt, Date.now(), skewMs)))));
  // Only a page that is looked at counts down: a prerendered one must not start a lesson.
  if (lesson?.status !== 'pending' || isStarting || document.hidden || left <= 0) return;
  left -= 1;
  show('countdown', String(left));
  if (left === 0) start(null);
}

// A tab has to be opened within the tap itself; where the meeting is, the server says a moment later.
function openTab() {
  const tab = window.open('', '_blank');
  if (tab !== null) tab.opener = null;
  return tab;
}

async function start(tab) {
  if (isStarting) return tab?.close();
  isStarting = true;
  show('start-problem', '');
  const { status, data, detail } = await call('start');
  isStarting = false;
  if (data) {
    take(data);
    showWay(data.link);
    const opened = tab ?? openTab();
    find('[data-blocked]').hidden = opened !== null;
    opened?.location.replace(data.link);
    return;
  }
  tab?.close();
  left = 0;
  show('countdown', '–');
  if (status === 409) return refused(detail);
  show('start-problem', 'The lesson could not be started, and nothing is counted yet. Press Join to try again.');
}

async function refused(detail) {
  const { data } = await call('heartbeat');
  if (data && data.status !== 'pending') return take(data);
  enterState('over');
  show('over-title', detail ?? 'This link cannot be used any more.');
  show('over-detail', 'Ask your teacher for a new one.');
}

async function wayToMeeting() {
  const { data } = await call('start');
  if (data?.link) showWay(data.link);
}

function showWay(link) {
  lesson.link = link;
  find('[data-meeting]').href = link;
}

// Whoever pressed End has ended it: it is kept and said again until it is answered, and nothing else is said meanwhile.
// The socket is told first: a server that hangs keeps an answer back for as long as the page has patience.
async function end() {
  if (isEnding) return;
  isEnding = true;
  show('end-problem', '');
  if (wish === null) keepWish(saidNow('button'));
  connect();
  endBySocket();
  const { status, data } = await call('end-session', wish);
  isEnding = false;
  const isRefused = status > 0 && status < 500 && status !== 429;
  if (data || (isRefused && !isEndHeard)) keepWish(null);
  if (data) return take(data);
  if (wish === null) return show('end-problem', 'The session could not be ended. Try again.');
  endLater();
}

function endLater() {
  showEnding();
  clearTimeout(retry);
  retry = setTimeout(beat, RETRY_MS);
}

// The socket's server writes down when it was; of two ends the earlier one counts.
function endBySocket() {
  if (wish === null || isEndHeard || !socket.connected) return;
  const said = wish;
  socket.emit('end', (answer) => {
    isEndHeard = answer?.ok === true;
    // The backend may have refused meanwhile what the socket's server has taken: over it is.
    if (isEndHeard && wish === null && lesson.status === 'active') {
      keepWish(said);
      return endLater();
    }
    return showEnding();
  });
}

function showEnding() {
  if (wish === null) return;
  show('end-problem', isEndHeard
    ? 'The session is over. How long it was is said here as soon as the server can be reached.'
    : 'Ending: it is over as soon as the server can be reached. Keep this page open until then.');
}

function over() {
  const [title, detail] = overWords(lesson);
  show('over-title', title);
  show('over-detail', detail);
  // What timed out while nobody could hear of it goes on as soon as somebody has.
  if (lesson.status === 'timeout' && looksLeft > 0) {
    looksLeft -= 1;
    clearTimeout(retry);
    retry = setTimeout(beat, LOOK_AGAIN_MS);
  } else {
    socket?.close();
  }
}

const saidNow = (reason) => ({ reason, duration: minutesSoFar(), endTime: new Date(Date.now() + skewMs).toISOString() });

const minutesSoFar = () => Math.max(0, elapsedSeconds(lesson.clickedAt, Date.now(), skewMs) / 60);

function connect() {
  if (socket !== null) {
    if (!socket.active) socket.connect();
    return;
  }
  const { presenceUrl, presencePath } = document.body.dataset;
  socket = io(`${presenceUrl}/tutoring`, {
    path: presencePath, transports: ['websocket', 'polling'], tryAllTransports: true, forceNew: true,
    reconnectionDelayMax: 30_000, auth: { trackingToken: token },
  });
  socket.on('connect', endBySocket);
}
