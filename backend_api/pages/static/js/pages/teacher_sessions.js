/** `/admin/teacher-sessions`: every lesson with its figures; corrections, the sweep, CSV. */

import { callApi, download } from '../api.js';
import { find, make, show } from '../dom.js';
import { formatAverage, formatCount, timeZone } from '../format.js';
import {
  attempt, cell, END_WORDS, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, say, STATUS_WORDS,
} from '../records.js';

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
form.addEventListener('submit', correct);

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
  find('[data-rows]').replaceChildren(...sessions.map(row));
  find('[data-teachers]').replaceChildren(...statistics.perTeacher.map(groupRow));
  find('[data-students]').replaceChildren(...statistics.perStudent.map(groupRow));
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
    'tr', { ...(last && { title: `${last.by}: ${last.reason}` }) },
    make('th', { scope: 'row' }, session.teacherName), cell(session.studentName), cell(statusWords(session)), cell(formatMoment(session.clickedAt)),
    cell(formatMoment(session.sessionEndedAt)), right(length), right(formatSeconds(session.seenSeconds)),
    cell(terms(session)), place,
  );
}

function statusWords({ sessionStatus, present, endReason }) {
  if (sessionStatus === 'active' && !present) return 'Active, away';
  return sessionStatus === 'ended' ? `Ended: ${END_WORDS[endReason]}` : STATUS_WORDS[sessionStatus];
}

function terms({ packageName, packageId, packageRate, currency, rateUnit }) {
  if (packageRate === null) return '–';
  return [packageName || packageId, `${packageRate} ${currency}/${rateUnit}`].filter(Boolean).join(', ');
}

function groupRow({ name, sessions, totalMinutes }) {
  return make('tr', {}, make('th', { scope: 'row' }, name), right(formatCount(sessions)), right(formatAverage(totalMinutes)));
}

function openFor(session) {
  corrected = session;
  show('measured', formatSeconds(session.durationSeconds));
  show('correct-problem', '');
  form.elements.minutes.value = String(Math.round(session.billedFromSeconds / 6) / 10);
  form.elements.reason.value = '';
  dialog.showModal();
}

async function correct(event) {
  event.preventDefault();
  const body = { durationMinutes: Number(form.elements.minutes.value), reason: form.elements.reason.value.trim() };
  try {
    await callApi(`/api/admin/teacher-sessions/${corrected.id}`, { method: 'PATCH', body });
    dialog.close();
    say('Corrected.');
    await reload();
  } catch (error) {
    show('correct-problem', error.message);
  }
}

async function sweep() {
  const { timedOut } = await callApi('/api/admin/auto-timeout', { method: 'POST' });
  say(timedOut === 0 ? 'No session has been silent for too long.' : `${timedOut} ${timedOut === 1 ? 'session' : 'sessions'} ended at the last sign of life.`);
  await reload();
}
