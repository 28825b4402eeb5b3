/** `/live/{room}`: counts itself and shows the count. */

import { persistentViewerId } from '../../client/live.js';
import { enterState, find, setStatus, show } from '../dom.js';
import { formatCount } from '../format.js';
import { statusWords, watch } from '../presence.js';
import { askForToken, startSession } from '../session.js';
import { currentToken, isExpired } from '../token.js';

const ANNOUNCE_EVERY_MS = 10_000;

const { room } = document.body.dataset;
const name = room.slice(room.indexOf(':') + 1);
const stage = find('.stage');
const number = find('.count');
let live = null;
let shown = null;
let announcement = null;

startSession(start);
find('[data-retry]').addEventListener('click', start);
start();

function start() {
  live?.stop();
  enterState('ready');
  live = watch({ room, join: true, viewerId: persistentViewerId(), onChange: showCount, onStatus: showStatus });
}

function showCount(count) {
  move(count.viewerCount);
  show('unique', formatCount(count.uniqueViewers));
  show('unique-word', count.uniqueViewers === 1 ? 'person' : 'people');
  show('active', formatCount(count.activeViewers));
  find('[data-degraded]').hidden = !count.degraded;
  document.title = `${formatCount(count.viewerCount)} watching · ${name}`;
  announceSoon();
}

function move(next) {
  if (shown !== null && shown !== next) {
    number.removeAttribute('data-moved');
    void number.offsetWidth; // restarts the animation
    number.dataset.moved = next > shown ? 'up' : 'down';
  }
  shown = next;
  number.textContent = formatCount(next);
}

// The first count at once, then at most one sentence in ten seconds, and only the newest.
function announceSoon() {
  const place = find('[data-announce]');
  const say = () => { place.textContent = `${formatCount(shown)} watching`; };
  if (place.textContent === '') return say();
  announcement ??= setTimeout(() => {
    announcement = null;
    say();
  }, ANNOUNCE_EVERY_MS);
}

function showStatus(state) {
  setStatus(find('[data-connection]'), ...statusWords(state));
  stage.toggleAttribute('data-old', state.status !== 'live');
  if (state.status === 'refused') refused(state.error);
}

function refused({ code, message }) {
  const token = currentToken();
  if (code === 'forbidden') return askForToken(token === null ? 'missing' : 'forbidden');
  if (code === 'unauthorized') return askForToken(token === null ? 'missing' : isExpired(token) ? 'expired' : 'refused');
  show('refusal', message);
  enterState('refused');
}
