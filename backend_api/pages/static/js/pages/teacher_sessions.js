/** `/admin/teacher-sessions`: every lesson with its figures; corrections, the sweep, CSV. */

import { callApi, download } from '../api.js';
import { find, make, show } from '../dom.js';
import { formatAverage, formatClock, formatCount, formatDay, formatLength, lengthOf, timeZone } from '../format.js';
import {
  attempt, cell, DELIVERY_WORDS, END_WORDS, fillRows, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, say, STATUS_WORDS,
} from '../records.js';

/** What a page believes to have lasted so much longer or shorter than what was measured is worth a look. */
const WORTH_A_LOOK_SECONDS = 60;

const filter = find('[data-filter]');
const dialog = find('[data-correct]');
const form = find('[data-correct-form]');
let corrected = null;

filter.elements.from.value = localDate(29);
filter.elements.to.value = localDate();
const reload = keepLoaded(load);
filter.addEventListener('change', reload);
filter.addEventListener('submit', (event) => event.preventDefault());
find('[data-csv]').addEventListener('click', attempt(() => download(`/api/admin/teacher-sessions.csv${queryOf(wanted())}`, 'teacher-sessions.csv')));
find('[data-sweep]').addEventListener('click', attempt(sweep));
find('[data-cancel-correct]').addEventListener('click', () => dialog.close());
form.addEventListener('submit', attempt(correct, (words) => show('correct-problem', words)));

function wanted() {
  const { from, to, status, teacher, student } = filter.elements;
  return {
    from: from.value, to: to.value, status: status.value, teacher: teacher.value.trim(), student: student.value.trim(), tz: timeZone(),
  };
}

async function load() {
  const { sessions, statistics, nextCursor } = await callApi(`/api/admin/teacher-sessions${queryOf({ ...wanted(), limit: 200 })}`);
  show('total', formatCount(statistics.total));
  show('total-note', Object.entries(statistics.byStatus).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`).join(', '));
  show('active', formatCount(statistics.active));
  show('average', formatAverage(statistics.averageMinutes));
  show('minutes', formatAverage(statistics.totalMinutes));
  find('[data-empty]').hidden = sessions.length > 0;
  find('[data-table]').hidden = sessions.length === 0;
  find('[data-more]').hidden = nextCursor === null;
  fillRows(find('[data-rows]'), sessions.map(row));
  fillRows(find('[data-teachers]'), statistics.perTeacher.map(groupRow));
  fillRows(find('[data-students]'), statistics.perStudent.map(groupRow));
}

function row(session) {
  const place = make('td');
  if (['ended', 'timeout'].includes(session.sessionStatus)) {
    const button = make('button', { type: 'button', class: 'link' }, 'Correct');
    button.addEventListener('click', () => openFor(session));
    place.append(button);
  }
  const last = session.corrections.at(-1);
  const length = last ? `${formatSeconds(last.durationSeconds)} (was ${formatSeconds(session.durationSeconds)})` : formatSeconds(session.durationSeconds);
  return make(
    'tr', { 'data-key': session.id },
    make('th', { scope: 'row' }, session.teacherName), cell(session.studentName),
    cell(statusWords(session), ['pending', 'active'].includes(session.sessionStatus) && DELIVERY_WORDS[session.delivered], session.startedByCreator && "opened from the sender's address"),
    cell(formatMoment(session.clickedAt ?? session.sentTime), session.clickedAt === null ? 'sent' : untilWords(session)),
    right(length, last && `${last.by}: ${last.reason}`, session.clickedAt !== null && `page seen ${formatSeconds(session.seenSeconds)}`, claimWords(session)),
    cell(session.packageRate === null ? '–' : session.packageName || session.packageId || 'single rate', session.packageRate !== null && `${session.packageRate} ${session.currency}/${session.rateUnit}`),
    right(session.amount === null ? '–' : `${session.amount} ${session.currency}`, session.amount !== null && `for ${formatSeconds(session.billedSeconds)}`), place,
  );
}

function untilWords({ clickedAt, sessionEndedAt }) {
  if (sessionEndedAt === null) return null;
  const [from, until] = [clickedAt, sessionEndedAt].map((text) => Date.parse(text) / 1_000);
  return `until ${formatDay(from) === formatDay(until) ? formatClock(until) : formatMoment(sessionEndedAt)}`;
}

function claimWords({ clientDurationMinutes: claimed, durationSeconds }) {
  const isOdd = claimed !== null && durationSeconds !== null && Math.abs(claimed * 60 - durationSeconds) >= WORTH_A_LOOK_SECONDS;
  return isOdd && `the page believes ${formatSeconds(Math.round(claimed * 60))}`;
}

function statusWords({ sessionStatus, present, endReason }) {
  if (sessionStatus === 'active' && !present) return 'Active, away';
  return sessionStatus === 'ended' ? `Ended: ${END_WORDS[endReason]}` : STATUS_WORDS[sessionStatus];
}

function groupRow({ name, sessions, totalMinutes }) {
  return make('tr', {}, make('th', { scope: 'row' }, name), right(formatCount(sessions)), right(formatAverage(totalMinutes)));
}

function openFor(session) {
  corrected = session;
  show('measured', formatSeconds(session.durationSeconds));
  show('correct-problem', '');
  form.elements.duration.value = formatLength(session.billedFromSeconds);
  form.elements.reason.value = '';
  dialog.showModal();
}

async function correct() {
  const seconds = lengthOf(form.elements.duration.value);
  const reason = form.elements.reason.value.trim();
  if (seconds === null) throw new Error('Write the duration as minutes (75), as m:ss (75:30) or as h:mm:ss (1:15:30).');
  if (seconds === corrected.billedFromSeconds) throw new Error('This is what counts already; nothing was changed.');
  if (reason === '') throw new Error('Say why: the reason stays in the record.');
  await callApi(`/api/admin/teacher-sessions/${corrected.id}`, { method: 'PATCH', body: { durationMinutes: seconds / 60, reason } });
  dialog.close();
  say('Corrected.');
  await reload();
}

async function sweep() {
  const { timedOut } = await callApi('/api/admin/auto-timeout', { method: 'POST' });
  say(timedOut === 0 ? 'No session has been silent for too long.' : `${timedOut} ${timedOut === 1 ? 'session' : 'sessions'} ended at the last sign of life.`);
  await reload();
}
