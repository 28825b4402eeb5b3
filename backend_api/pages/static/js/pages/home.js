/** `/`: what is running, and the rooms that there are. */

import { ApiError, callApi } from '../api.js';
import { enterState, everyMinute, find, make, setStatus, show } from '../dom.js';
import { formatCount } from '../format.js';
import { askPresence } from '../presence.js';
import { askForToken, startSession } from '../session.js';
import { currentToken } from '../token.js';

const ROOM = /^[a-z][a-z0-9-]{0,31}:[A-Za-z0-9_.~-]{1,128}$/;
const HEALTH_EVERY_MS = 10_000;

startSession(loadRooms);
find('[data-open-room]').addEventListener('submit', openRoom);
find('[data-retry]').addEventListener('click', loadRooms);
everyMinute(loadRooms);
setInterval(() => document.hidden || loadHealth(), HEALTH_EVERY_MS);
loadHealth();
loadRooms();

function loadHealth() {
  showHealth('backend', fetch('/readyz').then((response) => response.json().then((body) => ({ isOk: response.ok, ...body }))).catch(() => null));
  showHealth('presence', askPresence('/readyz'));
  showPresenceVersion();
}

async function showHealth(service, asked) {
  const place = find(`[data-service="${service}"] [data-health]`);
  const answer = await asked;
  if (answer === null) return setStatus(place, 'bad', 'Cannot be reached');
  const reasons = Object.entries(answer.reasons ?? {}).map(([what, why]) => `${what}: ${why}`);
  setStatus(place, answer.isOk ? 'good' : 'bad', answer.isOk ? 'Ready' : `Not ready: ${reasons.join('; ') || 'no reason given'}`);
}

async function showPresenceVersion() {
  const place = find('[data-version]');
  if (place.textContent === '–') place.textContent = (await askPresence('/openapi.json'))?.info?.version ?? '–';
}

async function loadRooms() {
  if (currentToken() === null) return askForToken('missing');
  try {
    const [history, now] = await Promise.all([callApi('/api/v1/rooms?limit=200'), askPresence('/api/v1/rooms?limit=500', { asReader: true })]);
    const counts = new Map((now?.data?.rooms ?? []).map((count) => [count.room, count]));
    const names = new Set([...counts.keys(), ...history.rooms.map(({ room }) => room)]);
    const knowsAll = now?.isOk === true && now.data.nextCursor === null;
    showRooms([...names].sort(), counts, knowsAll ? 0 : null);
    find('[data-more]').hidden = history.nextCursor === null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isAboutToken) return askForToken(error.reason);
    show('failure', 'The rooms could not be loaded');
    show('failure-detail', error.message);
    enterState('failed');
  }
}

// `otherwise`: the count of rooms that presence did not name; null where that means nothing.
function showRooms(names, counts, otherwise) {
  enterState(names.length > 0 ? 'ready' : 'empty');
  const figure = (room, name) => {
    const count = counts.get(room)?.[name] ?? otherwise;
    return make('td', { class: 'right' }, count === null ? '–' : formatCount(count));
  };
  find('[data-rows]').replaceChildren(...names.map((room) => make(
    'tr', {},
    make('th', { scope: 'row' }, ...breakable(room)), figure(room, 'viewerCount'), figure(room, 'uniqueViewers'),
    make('td', {}, make('a', { href: `/live/${room}`, 'aria-label': `${room} live` }, 'Live'), ' · ',
      make('a', { href: `/viewers/${room}`, 'aria-label': `${room} history` }, 'History')),
  )));
}

// On a phone a name breaks where its parts do.
function breakable(room) {
  return room.split(/(?<=[:-])/).flatMap((part) => [part, make('wbr')]);
}

function openRoom(event) {
  event.preventDefault();
  const input = event.target.elements.room;
  const room = input.value.trim();
  const isRoom = ROOM.test(room);
  input.setAttribute('aria-invalid', String(!isRoom));
  find('[data-room-problem]').hidden = isRoom;
  if (isRoom) location.assign(`/${event.submitter?.value ?? 'live'}/${room}`);
  else input.focus();
}
