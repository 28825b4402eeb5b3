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
export const DELIVERY_WORDS = { waiting: 'On its way', delivered: 'Delivered', failed: 'Not delivered', none: 'No chat known' };

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

/** Runs what a button or a form does, once at a time; says what went wrong. */
export const attempt = (act, tell = (words) => say(words, true)) => async (event) => {
  event.preventDefault();
  const place = event.currentTarget;
  const buttons = place instanceof HTMLFormElement ? [...place.querySelectorAll('button[type=submit]')] : [place];
  if (buttons.some((button) => button.disabled)) return;
  for (const button of buttons) button.disabled = true;
  try {
    await act(event);
  } catch (error) {
    tell(error.message);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
};

/** Puts rows into a table's body. Whoever is at a control of a row stays there; on a phone each cell has its heading. */
export function fillRows(body, rows) {
  const at = document.activeElement?.closest('tr[data-key]');
  const held = body.contains(at) && [...at.querySelectorAll('button, a')].indexOf(document.activeElement);
  const headings = [...body.closest('table').tHead.rows[0].cells].map(({ textContent }) => textContent);
  for (const row of rows) for (const [index, one] of [...row.cells].entries()) one.dataset.label = headings[index];
  body.replaceChildren(...rows);
  if (held !== false) rows.find(({ dataset }) => dataset.key === at.dataset.key)?.querySelectorAll('button, a')[held]?.focus({ preventScroll: true });
}

export const formatMoment = (text) => (text === null ? '–' : formatStart(Date.parse(text) / 1_000, 60));
export const formatSeconds = (seconds) => (seconds === null || seconds === undefined ? '–' : formatLength(seconds));
export const right = (text, ...notes) => noted('right', text, notes);
export const cell = (text, ...notes) => noted('', text, notes);

/** A cell with notes below its text; those that are empty are left out. */
function noted(kind, text, notes) {
  const below = notes.filter(Boolean).map((note) => make('small', {}, note));
  return make('td', kind ? { class: kind } : {}, text, ...below);
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
