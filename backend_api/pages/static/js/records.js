/** What pages with records of sessions share: loading with its failures, a banner, one act at a time, words and cells. */

import { enterState, find, make, show } from './dom.js';
import { formatClock, formatLength, formatSince, formatStart } from './format.js';
import { askForToken, startSession } from './session.js';
import { currentToken } from './token.js';

const REFRESH_MS = 15_000;

const LARGE_DIFFERENCE_SECONDS = 60;

const STATUS_WORDS = {
  active: ['good', 'Active'], ended: ['', 'Ended'], timeout: ['wait', 'Timed out'], cancelled: ['', 'Cancelled'],
};
const PENDING_WORDS = { waiting: ['wait', 'Sending'], delivered: ['wait', 'Sent'], failed: ['bad', 'Not sent'], none: ['wait', 'Not sent'] };
const END_WORDS = { button: 'by the End button', pageClose: 'the page was closed', timeout: 'silent for too long' };
const DELIVERY_WORDS = {
  waiting: 'message on its way', delivered: 'message delivered', failed: 'message not delivered', none: 'no chat known',
};

/**
 * Runs `load(signal)` now, with each new token and every 15 s while the page is looked at; a newer run puts an end to
 * the one before. Gives back a way to run it again. `asked()` says in a text what is asked for: figures that answer
 * another question are dimmed until the new ones are there, and gone where there are none.
 */
export function keepLoaded(load, asked = () => '') {
  const main = find('#main');
  let isShown = false;
  let answered = null;
  let problem = null;
  let loading = null;
  const reload = async () => {
    loading?.abort();
    if (currentToken() === null) return askForToken('missing');
    loading = new AbortController();
    const question = asked();
    if (question === answered) delete main.dataset.figures;
    else main.dataset.figures ||= 'old';
    try {
      await load(loading.signal);
      if (!isShown) enterState('ready');
      isShown = true;
      answered = question;
      delete main.dataset.figures;
      if (problem !== null && find('[data-banner]').textContent === problem) say('');
      problem = null;
      show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.isAboutToken) {
        isShown = false;
        askForToken(error.reason);
      } else if (isShown) {
        problem = error.message;
        say(problem, true);
        if (question !== answered) main.dataset.figures = 'none';
      } else {
        show('failure', 'Could not be loaded');
        show('failure-detail', error.message);
        enterState('failed');
      }
    }
  };
  startSession(reload);
  find('[data-retry]').addEventListener('click', reload);
  setInterval(() => isShown && !document.hidden && reload(), REFRESH_MS);
  reload();
  return reload;
}

/** A line above the page; `isBad` for what did not work. */
export function say(words, isBad = false) {
  const banner = find('[data-banner]');
  banner.textContent = words;
  banner.classList.toggle('bad', isBad);
  banner.hidden = words === '';
}

/** Runs what a button or a form does, one at a time; `fail` says what went wrong. A busy control keeps its focus. */
export const attempt = (act, fail = (words) => say(words, true)) => async (event) => {
  const control = event.currentTarget;
  event.preventDefault();
  if (control.getAttribute('aria-busy') === 'true') return;
  control.setAttribute('aria-busy', 'true');
  try {
    await act(event);
  } catch (error) {
    fail(error.message);
  } finally {
    control.removeAttribute('aria-busy');
  }
};

/** A button in a row; `name` tells it from the others of the row, `whose` what a screen reader says beside the words. */
export function rowButton(name, words, whose, act) {
  const button = make('button', { type: 'button', 'data-control': name, 'aria-label': `${words}: ${whose}` }, words);
  button.addEventListener('click', attempt(act));
  return button;
}

/** When a lesson began and, below, when it ended: the time alone where it is the same day's; else when its link was made. */
export function startAndEnd({ clickedAt, sessionEndedAt, sentTime }) {
  if (clickedAt === null) return when('not begun', under(`link of ${formatSince(Date.parse(sentTime) / 1_000, Date.now() / 1_000)}`));
  if (sessionEndedAt === null) return when(formatMoment(clickedAt), under('still on'));
  const [began, ended] = [new Date(clickedAt), new Date(sessionEndedAt)];
  const isSameDay = began.toDateString() === ended.toDateString();
  return when(formatMoment(clickedAt), under(`to ${isSameDay ? formatClock(ended / 1_000) : formatMoment(sessionEndedAt)}`));
}

export const formatMoment = (text) => (text === null ? '–' : formatStart(Date.parse(text) / 1_000, 60));
export const formatSeconds = (seconds) => (seconds === null || seconds === undefined ? '–' : formatLength(seconds));
export const right = (...content) => make('td', { class: 'right' }, ...content);
export const cell = (...content) => make('td', {}, ...content);
export const when = (...content) => make('td', { class: 'when' }, ...content);

/** A smaller line below what a cell says; `isOdd` where somebody should look at it. */
export const under = (words, isOdd = false) => make('small', { class: isOdd ? 'under odd' : 'under' }, words);

/** `+0:07`, `−1:02:00`. */
export const formatDifference = (seconds) => `${seconds < 0 ? '−' : '+'}${formatLength(Math.abs(seconds))}`;

/** What a client said about a length, below what was measured; nothing where it said nothing. */
export function claimed(who, clientSeconds, difference) {
  if (clientSeconds === null || difference === null) return [];
  const words = `${who} said ${formatLength(Math.round(clientSeconds))} (${formatDifference(difference)})`;
  return [under(words, Math.abs(difference) >= LARGE_DIFFERENCE_SECONDS)];
}

/** Whether a link was never opened, and cannot be any more. */
export const isExpired = ({ sessionStatus, expiresAt }) => sessionStatus === 'pending' && Date.parse(expiresAt) <= Date.now();

/** How a lesson stands: a dot and a word; below it how it ended, or whether its message arrived. */
export function lessonStatus(lesson) {
  const { sessionStatus, present, clickedAt, endReason, delivered, deliveryReason } = lesson;
  const isAway = sessionStatus === 'active' && !present;
  const [is, words] = isExpired(lesson) ? ['', 'Expired'] : STATUS_WORDS[sessionStatus] ?? PENDING_WORDS[delivered];
  const failed = delivered === 'failed' && deliveryReason ? `: ${deliveryReason}` : '';
  const why = END_WORDS[endReason] ?? (isAway ? 'away' : '');
  // Whoever was there had the link, whether or not we sent it.
  const isMoot = delivered !== 'delivered' && clickedAt !== null;
  return cell(
    make('span', { class: 'status', 'data-is': isAway ? 'wait' : is }, words), ...(why ? [under(why)] : []),
    ...(isMoot ? [] : [under(DELIVERY_WORDS[delivered] + failed, delivered === 'failed')]),
  );
}

/** The duration that counts and, where an admin has corrected it, below it what was measured. */
export function duration({ corrections, durationSeconds }) {
  const counts = corrections.at(-1)?.durationSeconds ?? durationSeconds;
  return right(formatSeconds(counts), ...(counts === durationSeconds ? [] : [under(`measured ${formatSeconds(durationSeconds)}`)]));
}

/** The package that a lesson is sold under, and its rate below. */
export function terms({ packageName, packageId, packageRate, currency, rateUnit }) {
  if (packageRate === null) return cell('–');
  return cell(packageName || packageId || 'Single rate', under(`${packageRate} ${currency} per ${rateUnit}`));
}

/** `?a=1&b=2` of what is not empty. */
export function queryOf(values) {
  const given = Object.entries(values).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return given.length > 0 ? `?${new URLSearchParams(given)}` : '';
}

/** Today in the reader's own time zone, as `2026-11-21`; so many days ago. */
export function localDate(daysAgo = 0) {
  const day = new Date();
  day.setDate(day.getDate() - daysAgo);
  const two = (value) => String(value).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}
