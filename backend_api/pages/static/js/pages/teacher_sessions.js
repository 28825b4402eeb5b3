/** `/admin/teacher-sessions`: every lesson with its figures and what speaks for them; corrections, the sweep, CSV. */

import { callApi, download } from '../api.js';
import { find, make, show } from '../dom.js';
import { formatCount, formatLength, readLength, timeZone } from '../format.js';
import {
  attempt, cell, claimed, duration, formatMoment, formatSeconds, isExpired, keepLoaded, lessonStatus, localDate, queryOf, right, rowButton, say,
  startAndEnd, terms, under,
} from '../records.js';
import { fillRows } from '../rows.js';
import { currentToken, peek } from '../token.js';

const PAGE = 30;
const MOST = 500;

const filter = find('[data-filter]');
const dialog = find('[data-correct]');
const form = find('[data-correct-form]');
const fail = (words) => show('correct-problem', words);
let corrected = null;
let limit = PAGE;

filter.elements.from.value = localDate(29);
filter.elements.to.value = localDate();
const reload = keepLoaded(load, () => queryOf(wanted()));
filter.addEventListener('change', () => showFirst(PAGE));
filter.addEventListener('submit', (event) => event.preventDefault());
find('[data-more-button]').addEventListener('click', attempt(() => showFirst(Math.min(limit + PAGE, MOST))));
find('[data-csv]').addEventListener('click', attempt(() => download(`/api/admin/teacher-sessions.csv${queryOf(wanted())}`, 'teacher-sessions.csv')));
find('[data-sweep]').addEventListener('click', attempt(sweep));
find('[data-cancel-correct]').addEventListener('click', () => dialog.close());
form.addEventListener('submit', attempt(correct, fail));

const isAdmin = () => (peek(currentToken() ?? '').roles ?? []).includes('admin');

function wanted() {
  const { from, to, status, teacher, student } = filter.elements;
  return {
    from: from.value, to: to.value, status: status.value, teacher: teacher.value.trim(), student: student.value.trim(), tz: timeZone(),
  };
}

function showFirst(count) {
  limit = count;
  return reload();
}

async function load(signal) {
  const { sessions, statistics, nextCursor } = await callApi(`/api/admin/teacher-sessions${queryOf({ ...wanted(), limit })}`, { signal });
  find('[data-sweep]').hidden = !isAdmin();
  show('total', formatCount(statistics.total));
  show('total-note', Object.entries(statistics.byStatus).filter(([, count]) => count > 0).map(([name, count]) => `${formatCount(count)} ${name}`).join(', '));
  show('active', formatCount(statistics.active));
  show('average', formatLength(Math.round(statistics.averageMinutes * 60)));
  show('time', formatLength(statistics.totalSeconds));
  find('[data-empty]').hidden = sessions.length > 0;
  find('[data-table]').hidden = sessions.length === 0;
  find('[data-groups]').hidden = sessions.length === 0;
  find('[data-more]').hidden = nextCursor === null;
  find('[data-more-button]').hidden = limit >= MOST;
  show('shown', `The newest ${formatCount(sessions.length)} of ${formatCount(statistics.total)}. Narrow the filter or download the CSV for the others.`);
  fillRows(find('[data-rows]'), sessions.map((session) => ({ ...session, mayCorrect: isAdmin(), isExpired: isExpired(session) })), row);
  fillRows(find('[data-teachers]'), statistics.perTeacher, groupRow);
  fillRows(find('[data-students]'), statistics.perStudent, groupRow);
  offer('teacher-ids', statistics.perTeacher);
  offer('student-ids', statistics.perStudent);
}

const offer = (list, groups) => find(`#${list}`).replaceChildren(...groups.map(({ id, name }) => make('option', { value: id }, name)));

function row(session) {
  const isOver = ['ended', 'timeout'].includes(session.sessionStatus);
  const act = isOver && session.mayCorrect ? [rowButton('correct', 'Correct', session.studentName, () => openFor(session))] : [];
  return make(
    'tr', {}, make('th', { scope: 'row' }, session.studentName, under(`with ${session.teacherName}`)), lessonStatus(session),
    startAndEnd(session),
    duration(session), terms(session), amount(session), evidence(session), make('td', { class: 'act' }, ...act),
  );
}

function amount({ amount: due, currency, billedSeconds }) {
  return due === null ? right('–') : right(`${due} ${currency}`, under(`for ${formatLength(billedSeconds)}`));
}

/** What was seen of the lesson beside its two ends, and what somebody should look at. */
function evidence({ clickedAt, seenSeconds, clientDurationMinutes, differenceSeconds, startedByCreator, corrections }) {
  if (clickedAt === null) return cell('–');
  const client = clientDurationMinutes === null ? null : clientDurationMinutes * 60;
  return make(
    'td', { class: 'wide' },
    under(`page seen ${formatLength(seenSeconds)}`), ...claimed('page', client, differenceSeconds),
    ...(startedByCreator ? [under("started at the sender's address", true)] : []),
    ...corrections.map(({ by, at, durationSeconds, reason }) => under(`set to ${formatLength(durationSeconds)} by ${by}, ${formatMoment(at)}: ${reason}`)),
  );
}

function groupRow({ name, sessions, totalSeconds }) {
  return make('tr', {}, make('th', { scope: 'row' }, name), right(formatCount(sessions)), right(formatLength(totalSeconds)));
}

function openFor(session) {
  corrected = session;
  show('measured', formatSeconds(session.durationSeconds));
  fail('');
  form.elements.duration.value = formatLength(session.billedFromSeconds);
  form.elements.reason.value = '';
  dialog.showModal();
}

async function correct() {
  const seconds = readLength(form.elements.duration.value);
  const reason = form.elements.reason.value.trim();
  if (seconds === null) return fail('Give the duration as minutes:seconds, for example 62:30, or as whole minutes.');
  if (seconds === corrected.billedFromSeconds) return fail('This is the duration that counts already.');
  if (reason === '') return fail('Say why: the reason is kept with the correction.');
  await callApi(`/api/admin/teacher-sessions/${corrected.id}`, { method: 'PATCH', body: { durationMinutes: seconds / 60, reason } });
  dialog.close();
  say(`Corrected: ${formatLength(seconds)} for ${corrected.studentName}.`);
  await reload();
}

async function sweep() {
  const { timedOut } = await callApi('/api/admin/auto-timeout', { method: 'POST' });
  say(timedOut === 0 ? 'No session has been silent for too long.' : `${timedOut} ${timedOut === 1 ? 'session' : 'sessions'} ended at the last sign of life.`);
  await reload();
}
