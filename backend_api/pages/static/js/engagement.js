/** What the pages about engagement share: staying loaded, the curve, figures in words, lists of names and numbers. */

import { ApiError } from './api.js';
import { colour, mountChart } from './chart.js';
import { enterState, everyMinute, find, make, show } from './dom.js';
import { formatAverage, formatClock, formatCount, formatPeriod, formatPeriodShort, formatSince } from './format.js';
import { askForToken, startSession } from './session.js';
import { currentToken } from './token.js';

const HOUR = 3_600;
const DAY = 86_400;
const COUNTED_MS = 3_000;

/**
 * Keeps figures shown: `ask(signal)` loads them when the page opens, when something else is chosen, every minute, and
 * soon again while events are being counted; `prepare()` comes before the first time. A choice whose figures cannot be
 * loaded is taken back, so that it never stands beside those of another.
 */
export function keepFigures({ prepare = async () => {}, ask, display, failure }) {
  const banner = find('[data-banner]');
  const controls = [...document.querySelectorAll('[data-range] input, [data-choose] select')];
  let loading = null;
  let shown = null;
  let again = null;

  async function start() {
    shown = null;
    if (currentToken() === null) return askForToken('missing');
    enterState('loading');
    await attempt(async () => {
      await prepare();
      recall(controls);
      await load();
    });
  }

  const reload = () => attempt(load);

  async function load() {
    clearTimeout(again);
    loading?.abort();
    const mine = (loading = new AbortController());
    const found = await ask(mine.signal);
    if (mine !== loading) return;
    // A chart measures its place, which has to be there.
    enterState('ready');
    display(found);
    shown = controls.map(({ checked, value }) => ({ checked, value }));
    remember(controls);
    banner.hidden = true;
    show('freshness', freshnessWords(found.freshness));
    show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
    if (found.freshness.pendingEvents > 0) again = setTimeout(() => document.hidden || reload(), COUNTED_MS);
  }

  async function attempt(act) {
    try {
      await act();
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof ApiError)) reportError(error);
      fail(error);
    }
  }

  function fail(error) {
    if (error.isAboutToken) return askForToken(error.reason);
    if (shown === null) {
      show('failure', failure);
      show('failure-detail', error.message);
      return enterState('failed');
    }
    controls.forEach((control, index) => Object.assign(control, shown[index]));
    banner.textContent = `${error.message} What you see may be old; the next try is within a minute.`;
    banner.hidden = false;
  }

  startSession(start);
  for (const control of controls) control.addEventListener('change', reload);
  find('[data-retry]').addEventListener('click', start);
  everyMinute(() => shown !== null && reload());
  start();
}

/** What is chosen is in the page's address, for a reload and for whoever the link is sent to. */
function remember(controls) {
  const address = new URL(location.href);
  for (const { name, value, checked, type } of controls) {
    if (type !== 'radio' || checked) address.searchParams.set(name, value);
    if (value === '') address.searchParams.delete(name);
  }
  history.replaceState(history.state, '', address);
}

function recall(controls) {
  const query = new URLSearchParams(location.search);
  for (const control of controls) {
    const said = query.get(control.name);
    if (control.type === 'radio') control.checked ||= control.value === said;
    else if ([...control.options].some(({ value }) => value === said)) control.value = said;
  }
}

export const chosenRange = () => find('[data-range] input:checked').value;
export const rangeWords = (range) => (range === 'all' ? 'all time' : `last ${range}`);
export const count = (value) => formatCount(value);
export const percent = (value) => (value === null ? '–' : `${formatAverage(value)} %`);
export const share = (fraction) => percent(fraction === null ? null : fraction * 100);

export const completionWords = (value) => (value === null ? '' : `${percent(value)} of the track`);

/** `1:34`; a dash where nothing is known. */
export function minutes(seconds) {
  if (seconds === null) return '–';
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** `+12.0 %`, or why there is no figure. */
export function growthWords(fraction, range) {
  if (range === 'all') return '';
  if (fraction === null) return 'nothing to compare with';
  return `${fraction > 0 ? '+' : fraction < 0 ? '−' : '±'}${formatAverage(Math.abs(fraction) * 100)} % on the ${range} before`;
}

export function freshnessWords({ asOf, pendingEvents }) {
  const at = formatSince(Date.parse(asOf) / 1_000, Date.now() / 1_000);
  return pendingEvents > 0 ? `As of ${at}; ${formatCount(pendingEvents)} newer events are being counted.` : `As of ${at}.`;
}

/**
 * `draw(series, name, timezone)` shows the points of the API. Their distance tells hours from days and months: the longest, for
 * a day may have 23 hours.
 */
export function curve(host) {
  let points = [];
  let named = '';
  let step = DAY;
  let zone;
  const chart = mountChart(host, {
    describe: (index) => points[index] && { title: formatPeriod(points[index].at, step, zone), rows: [[named, formatCount(points[index].value)]] },
    build: () => ({ series: [{}, { stroke: colour('--accent'), fill: colour('--band'), width: 2, points: { show: points.length < 3, size: 6, fill: colour('--accent') } }] }),
    nameTime: (at) => formatPeriodShort(at, step, zone),
  });
  return {
    draw(series, name, timezone) {
      points = series.map(({ timestamp, value }) => ({ at: Date.parse(timestamp) / 1_000, value }));
      named = name;
      step = points.length > 1 ? Math.max(...points.slice(1).map(({ at }, index) => at - points[index].at)) : DAY;
      zone = timezone;
      const last = points.at(-1).at;
      const total = points.reduce((sum, { value }) => sum + value, 0);
      host.hidden = total === 0;
      find('[data-none="curve"]').hidden = total > 0;
      if (total === 0) return;
      host.setAttribute('aria-label', `${name}: ${formatCount(total)} in all. Left and right arrow keys read the points.`);
      chart.draw([points.map(({ at }) => at), points.map(({ value }) => value)], { from: points[0].at, to: points.length > 1 ? last : last + HOUR });
    },
  };
}

/** Rows of a `dl`: `[name, value]`. */
export function fillFacts(name, rows) {
  fill(name, rows.flatMap(([word, value]) => [make('dt', {}, word), make('dd', { class: 'number' }, value)]));
}

/** The rows of the list of this name; one that has none gives way, with what is around it, to the words beside it. */
export function fill(name, rows) {
  const list = find(`[data-list="${name}"]`);
  list.replaceChildren(...rows);
  (list.closest('.scroll') ?? list).hidden = rows.length === 0;
  find(`[data-none="${name}"]`).hidden = rows.length > 0;
}
