/** `/station-owner/control-panel`: who listens to a channel, now and lately. */

import { callApi, download } from '../api.js';
import { bandChart } from '../band.js';
import { enterState, everyMinute, find, make, show } from '../dom.js';
import { formatClock, formatCount, formatLength, formatStart, timeZone } from '../format.js';
import { hourChart } from '../hours.js';
import { rangeOf, STEP_SECONDS, withTimes } from '../points.js';
import { watch } from '../presence.js';
import { cell, claimed, right } from '../records.js';
import { fillRows } from '../rows.js';
import { askForToken, startSession } from '../session.js';
import { currentToken, peek } from '../token.js';

const ID = /^[A-Za-z0-9_.~-]{1,128}$/;
const DAY_SECONDS = 86_400;
const REFRESH_MS = 10_000;
const STATUS_IS = { active: 'good', completed: '', timeout: 'wait' };
const PERIODS = [['today', 'Today'], ['week', 'This week'], ['month', 'This month'], ['all_time', 'All time']];

const banner = find('[data-banner]');
const hours = hourChart(find('[data-hours]'));
const viewers = bandChart(find('[data-viewers]'));
const ask = (path) => callApi(path, { signal: loading.signal });
const since = () => new Date(Date.now() - DAY_SECONDS * 1_000).toISOString();
const analytics = (path) => `/analytics/channels/${encodeURIComponent(channel)}/${path}`;
const sessions = (suffix) => `/listening-sessions${suffix}?channelId=${encodeURIComponent(channel)}`;

let channel = null;
let live = null;
let loading = null;
let isShown = false;

startSession(start);
find('[data-retry]').addEventListener('click', start);
find('[data-csv]').addEventListener('click', saveCsv);
find('[data-channels]').addEventListener('change', ({ target }) => open(target.value));
find('[data-choose]').addEventListener('submit', choose);
everyMinute(() => isShown && load());
setInterval(() => isShown && !document.hidden && loadFigures().catch(fail), REFRESH_MS);
start();

function start() {
  close();
  const token = currentToken();
  if (token === null) return askForToken('missing');
  const own = peek(token).channels ?? [];
  const asked = new URLSearchParams(location.search).get('channel');
  const first = ID.test(asked ?? '') ? asked : own[0];
  if (first === undefined) return enterState('choose');
  const known = [...new Set([first, ...own])];
  find('[data-other]').hidden = known.length < 2;
  find('[data-channels]').replaceChildren(...known.map((id) => make('option', { value: id }, id)));
  open(first);
}

function close() {
  live?.stop();
  live = null;
  isShown = false;
  loading?.abort();
}

function open(id) {
  close();
  channel = id;
  show('channel', id);
  find('[data-channels]').value = id;
  find('[data-player]').href = `/demo/player/${encodeURIComponent(id)}`;
  enterState('loading');
  load();
}

function choose(event) {
  event.preventDefault();
  const input = event.target.elements.channel;
  const id = input.value.trim();
  find('[data-channel-problem]').hidden = ID.test(id);
  input.setAttribute('aria-invalid', String(!ID.test(id)));
  if (ID.test(id)) open(id);
}

async function load() {
  loading?.abort();
  const mine = (loading = new AbortController());
  try {
    await loadFigures();
    await loadCharts();
  } catch (error) {
    if (mine === loading) fail(error);
  }
}

async function loadFigures() {
  const times = PERIODS.map(([period]) => ask(analytics(`listening-time?period=${period}`)));
  const [recent, ...periods] = await Promise.all([ask(`${sessions('')}&limit=20`), ...times]);
  enterState('ready');
  isShown = true;
  banner.hidden = true;
  showFigures(periods);
  find('[data-table]').hidden = recent.sessions.length === 0;
  find('[data-empty="sessions"]').hidden = recent.sessions.length > 0;
  fillRows(find('[data-rows]'), recent.sessions, sessionRow);
  show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
  live ??= watch({ room: `channel:${channel}`, onChange: showNow, onStatus: showNowStatus });
}

async function loadCharts() {
  const [report, history] = await Promise.all([
    ask(analytics(`listeners?from=${encodeURIComponent(since())}&tz=${encodeURIComponent(timeZone())}`)),
    ask(`/api/v1/rooms/channel:${encodeURIComponent(channel)}/analytics/viewers?timeRange=24h&resolution=15m`),
  ]);
  const now = Date.now() / 1_000;
  find('[data-hours]').hidden = report.hours.length === 0;
  find('[data-empty="hours"]').hidden = report.hours.length > 0;
  if (report.hours.length > 0) hours.draw(report.hours, { from: now - DAY_SECONDS, to: now });
  find('.legend').hidden = history.snapshots.length === 0;
  find('[data-viewers]').hidden = history.snapshots.length === 0;
  find('[data-empty="viewers"]').hidden = history.snapshots.length > 0;
  if (history.snapshots.length === 0) return;
  const points = withTimes(history.snapshots);
  const step = STEP_SECONDS[history.resolution];
  viewers.draw(points, step, rangeOf(points, { isAll: false, minutes: DAY_SECONDS / 60, stepSeconds: step, now }));
}

function showFigures(periods) {
  const [today] = periods;
  // Within the first hour it is seconds that one sees it grow by.
  show('today', today.totalSeconds < 3_600 ? formatLength(today.totalSeconds) : today.totalListeningTime);
  show('today-note', `${formatCount(today.totalSessions)} sessions`);
  show('active', formatCount(today.activeSessions));
  show('unique', formatCount(today.uniqueListeners));
  fillRows(find('[data-periods]'), PERIODS.map(([id, words], index) => ({ id, words, ...periods[index] })), periodRow);
}

function periodRow(of) {
  return make('tr', {}, make('th', { scope: 'row' }, of.words), right(of.totalListeningTime), right(formatCount(of.totalSessions)),
    right(`${of.uniqueListenersExact ? '' : '≈ '}${formatCount(of.uniqueListeners)}`), right(formatLength(of.averageSessionSeconds)));
}

// The beginning tells random ids apart; one that somebody chose is shown whole.
const brief = (id) => (id.length > 24 ? `${id.slice(0, 8)}…` : id);

function sessionRow(session) {
  const who = session.userId ?? (session.listenerId ? `guest ${brief(session.listenerId)}` : 'guest');
  return make('tr', {},
    make('th', { scope: 'row', class: 'number' }, formatStart(Date.parse(session.startTime) / 1_000, 60)), cell(who),
    right(formatLength(session.durationSeconds), ...claimed('player', session.clientDurationSeconds, session.differenceSeconds)),
    cell(make('span', { class: 'status', 'data-is': STATUS_IS[session.status] }, session.status)),
    cell(session.device ?? '–'), cell(session.showId ?? '–'));
}

function showNow({ viewerCount, uniqueViewers, degraded }) {
  show('now', formatCount(viewerCount));
  show('now-note', `${formatCount(uniqueViewers)} people${degraded ? ', at least' : ''}`);
}

function showNowStatus({ status }) {
  if (status === 'live') return;
  show('now', '–');
  show('now-note', { connecting: 'connecting', refused: 'not to be seen' }[status] ?? 'reconnecting');
}

async function saveCsv({ currentTarget: button }) {
  button.disabled = true;
  try {
    await download(sessions('.csv'), `listening-${channel}.csv`);
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
}

// What is shown stays as long as it is only old; without anything to show the page says what is wrong.
function fail(error) {
  if (error.name === 'AbortError') return;
  if (error.isAboutToken) {
    close();
    askForToken(error.reason);
  } else if (isShown) {
    banner.textContent = `${error.message} What you see may be old; the next try is soon.`;
    banner.hidden = false;
  } else {
    show('failure', 'The channel could not be loaded');
    show('failure-detail', error.message);
    enterState('failed');
  }
}
