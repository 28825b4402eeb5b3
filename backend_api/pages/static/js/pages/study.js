/** `/study/{userId}`: hours per day as bars, and the calls with who measured them. */

import { callApi } from '../api.js';
import { dayBars } from '../bars.js';
import { find, make, show } from '../dom.js';
import { formatCount, timeZone } from '../format.js';
import { attempt, cell, formatDifference, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, under, when } from '../records.js';
import { fillRows } from '../rows.js';

const SOURCE_WORDS = { provider: 'the provider', server: 'this server', manual: 'a correction' };
const DAYS = 30;
const PAGE = 25;
const MOST = 500;

const userId = find('[data-user]').dataset.user;
const bars = dayBars(find('[data-days]'));
let limit = PAGE;

const reload = keepLoaded(load);
find('[data-more-button]').addEventListener('click', attempt(() => {
  limit = Math.min(limit * 2, MOST);
  return reload();
}));

async function load(signal) {
  const asked = { userId, from: localDate(DAYS - 1), tz: timeZone() };
  const [{ days }, { sessions, nextCursor }, { calls }] = await Promise.all([
    callApi(`/api/study-sessions/daily${queryOf(asked)}`, { signal }),
    callApi(`/api/study-sessions${queryOf({ ...asked, limit })}`, { signal }),
    callApi(`/api/study-sessions/active-calls${queryOf({ userId })}`, { signal }),
  ]);
  const known = new Map(days.map(({ date, seconds }) => [date, seconds]));
  const all = Array.from({ length: DAYS }, (_, index) => localDate(DAYS - 1 - index)).map((date) => ({ date, seconds: known.get(date) ?? 0 }));
  const sum = (count) => all.slice(-count).reduce((total, { seconds }) => total + seconds, 0);
  show('today', formatSeconds(sum(1)));
  show('week', formatSeconds(sum(7)));
  show('month', formatSeconds(sum(DAYS)));
  show('now', formatCount(calls.length));
  find('[data-empty]').hidden = sessions.length > 0;
  find('[data-table]').hidden = sessions.length === 0;
  find('[data-more]').hidden = nextCursor === null;
  find('[data-more-button]').hidden = limit >= MOST;
  show('shown', `The newest ${formatCount(sessions.length)} of the last ${DAYS} days.`);
  fillRows(find('[data-rows]'), sessions, row);
  const isEmpty = sum(DAYS) === 0;
  find('[data-days]').hidden = isEmpty;
  find('[data-none="days"]').hidden = !isEmpty;
  if (!isEmpty) requestAnimationFrame(() => bars.draw(all));
}

function row(session) {
  const { differenceSeconds: difference, reason } = session;
  return make(
    'tr', {}, make('th', { scope: 'row' }, session.callId), when(formatMoment(session.joinedAt)),
    when(session.leftAt === null ? 'still in it' : formatMoment(session.leftAt)), right(formatSeconds(session.durationSeconds)),
    cell(SOURCE_WORDS[session.durationSource], ...(reason ? [under(reason)] : [])),
    right(difference === null ? '–' : formatDifference(difference)), right(formatSeconds(session.callDurationSeconds)),
  );
}
