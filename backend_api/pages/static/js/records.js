/** What pages with records of sessions share: loading with its failures, a banner, words and cells. */

import { enterState, find, make, show } from './dom.js';
import { formatClock, formatLength, formatStart } from './format.js';
import { askForToken, startSession } from './session.js';
import { currentToken } from './token.js';

const REFRESH_MS = 15_000;

export const STATUS_WORDS = {
  pending: 'Sent', active: 'Active', ended: 'Ended', timeout: 'Timed out', cancelled: 'Cancelled',
};
export const END_WORDS = { button: 'End button', pageClose: 'page closed' };

/** Runs `load` now, with each new token and every 15 s while the page is looked at. Gives back a way to run it again. */
export function keepLoaded(load) {
  let isShown = false;
  const reload = async () => {
    if (currentToken() === null) return askForToken('missing');
    try {
      await load();
      if (!isShown) enterState('ready');
      isShown = true;
      show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.isAboutToken) {
        isShown = false;
        askForToken(error.reason);
      } else if (isShown) {
        say(error.message, true);
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

/** Runs what a button does; says what went wrong. */
export const attempt = (act) => async (...given) => {
  try {
    await act(...given);
  } catch (error) {
    say(error.message, true);
  }
};

export const formatMoment = (text) => (text === null ? '–' : formatStart(Date.parse(text) / 1_000, 60));
export const formatSeconds = (seconds) => (seconds === null || seconds === undefined ? '–' : formatLength(seconds));
export const right = (text) => make('td', { class: 'right' }, text);
export const cell = (text) => make('td', {}, text);

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
