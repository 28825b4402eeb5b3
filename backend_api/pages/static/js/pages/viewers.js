/** `/viewers/{room}`: the history of a room, and who is there now. Watches, and does not count itself. */

import { ApiError, callApi, download } from '../api.js';
import { bandChart } from '../band.js';
import { enterState, everyMinute, find, make, show } from '../dom.js';
import { formatAverage, formatClock, formatCount, formatHours, formatStart, formatStep, timeZone } from '../format.js';
import { extremes, rangeOf, STEP_SECONDS, withTimes } from '../points.js';
import { watch } from '../presence.js';
import { askForToken, startSession } from '../session.js';
import { currentToken } from '../token.js';

const { room } = document.body.dataset;
const base = `/api/v1/rooms/${encodeURIComponent(room)}`;
const banner = find('[data-banner]');
const recording = find('[data-recording]');
const chart = bandChart(find('[data-chart]'));
let loading = null;
let live = null;
let shown = null;

startSession(start);
find('[data-range]').addEventListener('change', () => load());
find('[data-retry]').addEventListener('click', start);
find('[data-csv]').addEventListener('click', saveCsv);
find('[data-record]').addEventListener('click', () => record(true));
find('[data-figures]').addEventListener('toggle', fillTable);
recording.addEventListener('change', () => record(recording.checked));
everyMinute(() => shown && load());
start();

function start() {
  live?.stop();
  live = null;
  shown = null;
  if (currentToken() === null) return askForToken('missing');
  enterState('loading');
  load();
}

function range() {
  return find('[data-range] input:checked').value;
}

function rangeWords() {
  return range() === 'all' ? 'all time' : `last ${range()}`;
}

function historyPath(suffix) {
  return `${base}/analytics/viewers${suffix}?timeRange=${range()}&tz=${encodeURIComponent(timeZone())}`;
}

async function load() {
  loading?.abort();
  const mine = (loading = new AbortController());
  try {
    const [history, settings] = await Promise.all([
      callApi(historyPath(''), { signal: mine.signal }),
      callApi(`${base}/settings`, { signal: mine.signal }),
    ]);
    if (mine === loading) display(history, settings);
  } catch (error) {
    if (mine === loading) fail(error);
  }
}

function display({ snapshots, summary, resolution }, { enableViewerAnalytics }) {
  shown = { points: withTimes(snapshots), summary, step: STEP_SECONDS[resolution], range: range() };
  enterState('ready');
  banner.hidden = true;
  recording.checked = enableViewerAnalytics;
  recording.disabled = false;
  showTiles(shown);
  showChart(enableViewerAnalytics);
  fillTable();
  show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
  live ??= watch({ room, onChange: showNow, onStatus: showNowStatus });
}

function showTiles({ points, summary, step }) {
  const tile = (name, figure, note) => {
    show(name, points.length > 0 ? figure : '–');
    show(`${name}-note`, points.length > 0 ? note : '');
  };
  const { highest, lowest } = extremes(points);
  tile('peak', formatCount(summary.overallPeak), highest && formatStart(highest.at, step));
  tile('average', formatAverage(summary.overallAvg), `over ${formatCount(summary.totalSnapshots)} min`);
  tile('minimum', formatCount(summary.overallMin), lowest && formatStart(lowest.at, step));
  tile('hours', formatHours(summary.viewerMinutes), rangeWords());
}

function showChart(isRecording) {
  const { points, step, summary } = shown;
  const isEmpty = points.length === 0;
  find('[data-chart]').hidden = isEmpty;
  find('[data-empty="on"]').hidden = !isEmpty || !isRecording;
  find('[data-empty="off"]').hidden = !isEmpty || isRecording;
  find('[data-figures]').hidden = isEmpty;
  find('.legend').hidden = isEmpty;
  show('empty-range', range() === 'all' ? 'yet' : `in the last ${range()}`);
  show('about', isEmpty ? '' : `Each point is ${formatStep(step)}. Times in ${timeZone()}.`);
  if (isEmpty) return;
  const words = `Peak ${formatCount(summary.overallPeak)}, average ${formatAverage(summary.overallAvg)}. Left and right arrow keys read the points.`;
  find('[data-chart]').setAttribute('aria-label', `Viewers, ${rangeWords()}. ${words}`);
  const asked = { isAll: range() === 'all', minutes: summary.duration, stepSeconds: step, now: Date.now() / 1_000 };
  chart.draw(points, step, rangeOf(points, asked));
}

// Up to a thousand rows: made when they are looked at.
function fillTable() {
  if (!find('[data-figures]').open || shown === null) return;
  const cell = (text, name = 'right') => make('td', { class: name }, text);
  const rows = shown.points.map((point) => make(
    'tr', {},
    make('th', { scope: 'row', class: 'number' }, formatStart(point.at, shown.step)),
    cell(formatAverage(point.avgViewers)), cell(formatCount(point.minViewers)),
    cell(formatCount(point.peakViewers)), cell(formatCount(point.viewerCount), 'right roomy'),
  ));
  find('[data-rows]').replaceChildren(...rows.reverse());
}

function showNow(count) {
  show('unique', formatCount(count.uniqueViewers));
  show('unique-note', `${formatCount(count.viewerCount)} watching${count.degraded ? ', at least' : ''}`);
}

function showNowStatus({ status }) {
  if (status === 'live') return;
  show('unique', '–');
  show('unique-note', { connecting: 'connecting', refused: 'not to be seen' }[status] ?? 'reconnecting');
}

async function record(wanted) {
  recording.disabled = true;
  try {
    await callApi(`${base}/settings`, { method: 'PATCH', body: { enableViewerAnalytics: wanted } });
    await load();
  } catch (error) {
    recording.checked = !wanted;
    recording.disabled = false;
    fail(error);
  }
}

async function saveCsv({ currentTarget: button }) {
  button.disabled = true;
  try {
    await download(historyPath('.csv'), `viewers-${room.replace(':', '-')}-${range()}.csv`);
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
}

// What is shown stays as long as it is only old; without anything to show the page says what is wrong.
function fail(error) {
  if (error.name === 'AbortError') return;
  if (!(error instanceof ApiError)) throw error;
  if (error.isAboutToken) {
    live?.stop();
    live = shown = null;
    askForToken(error.reason);
  } else if (shown === null) {
    show('failure', 'The history could not be loaded');
    show('failure-detail', error.message);
    enterState('failed');
  } else {
    find(`[data-range] [value="${shown.range}"]`).checked = true;
    banner.textContent = `${error.message} What you see may be old; the next try is within a minute.`;
    banner.hidden = false;
  }
}
