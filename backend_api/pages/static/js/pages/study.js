/** `/study/{userId}`: hours per day as bars, and the calls with who measured them. */

import { callApi } from '../api.js';
import { dayBars } from '../bars.js';
import { find, make, show } from '../dom.js';
import { formatCount, timeZone } from '../format.js';
import { cell, formatDifference, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, under } from '../records.js';
import { fillRows } from '../rows.js';

const SOURCE_WORDS = { provider: 'the provider', server: 'this server', manual: 'a correction' };
const DAYS = 30;

const userId = find('[data-user]').dataset.user;
const bars = dayBars(find('[data-days]'));
keepLoaded(load);

async function load(signal) {
  const query = queryOf({ userId, from: localDate(DAYS - 1), tz: timeZone() });
  const [{ days }, { sessions }] = await Promise.all([
    callApi(`/api/study-sessions/daily${query}`, { signal }), callApi(`/api/study-sessions${query}`, { signal }),
  ]);
  const known = new Map(days.map(({ date, seconds }) => [date, seconds]));
  const all = Array.from({ length: DAYS }, (_, index) => localDate(DAYS - 1 - index)).map((date) => ({ date, seconds: known.get(date) ?? 0 }));
  const sum = (count) => all.slice(-count).reduce((total, { seconds }) => total + seconds, 0);
  show('today', formatSeconds(sum(1)));
  show('week', formatSeconds(sum(7)));
  show('month', formatSeconds(sum(DAYS)));
  show('now', formatCount(sessions.filter(({ status }) => status === 'active').length));
  find('[data-empty]').hidden = sessions.length > 0;
  find('[data-table]').hidden = sessions.length === 0;
  fillRows(find('[data-rows]'), sessions, row);
  requestAnimationFrame(() => bars.draw(all));
}

function row(session) {
  const { differenceSeconds: difference, reason } = session;
  return make(
    'tr', {}, make('th', { scope: 'row' }, session.callId), cell(formatMoment(session.joinedAt)),
    cell(session.leftAt === null ? 'still in it' : formatMoment(session.leftAt)), right(formatSeconds(session.durationSeconds)),
    cell(SOURCE_WORDS[session.durationSource], ...(reason ? [under(reason)] : [])),
    right(difference === null ? '–' : formatDifference(difference)), right(formatSeconds(session.callDurationSeconds)),
  );
}
