/** `/teacher`: a teacher's students, Send Zoom link, today's sessions. */

import { callApi } from '../api.js';
import { find, make, show } from '../dom.js';
import { timeZone } from '../format.js';
import { attempt, cell, DELIVERY_WORDS, fillRows, formatMoment, keepLoaded, localDate, queryOf, right, say, STATUS_WORDS } from '../records.js';

const dialog = find('[data-send]');
const form = find('[data-send-form]');
let student = null;

const reload = keepLoaded(load);
form.addEventListener('submit', attempt(send, (words) => show('send-problem', words)));
find('[data-cancel-send]').addEventListener('click', () => dialog.close());

async function load() {
  const query = queryOf({ date: localDate(), tz: timeZone(), limit: 200 });
  const [{ students }, { packages }, { sessions }] = await Promise.all([
    callApi('/api/teachers/students'), callApi('/api/admin/packages'), callApi(`/api/admin/teacher-sessions${query}`),
  ]);
  const names = new Map(packages.map(({ id, name }) => [id, name]));
  fill('students', students.map((one) => studentRow(one, names)));
  fill('sessions', sessions.map(sessionRow), '[data-rows]');
  const choices = [make('option', { value: '' }, "The student's own"), ...packages.map(({ id, name }) => make('option', { value: id }, name))];
  if (!dialog.open) form.elements.package.replaceChildren(...choices);
}

function fill(what, rows, place = `[data-${what}]`) {
  find(`[data-empty="${what}"]`).hidden = rows.length > 0;
  find(`[data-${what}-table]`).hidden = rows.length === 0;
  fillRows(find(place), rows);
}

function studentRow(one, names) {
  const button = make('button', { type: 'button' }, 'Send Zoom link');
  button.addEventListener('click', () => openFor(one));
  return make(
    'tr', { 'data-key': one.id }, make('th', { scope: 'row' }, one.name), cell(one.chatId ? 'Telegram' : '–'),
    cell(names.get(one.packageId) ?? '–'), make('td', {}, button),
  );
}

function sessionRow(session) {
  const actions = make('div', { class: 'row' });
  if (session.sessionStatus === 'pending') {
    actions.append(action('Send again', 'POST', `/api/teachers/links/${session.id}/resend`, 'Sent again.'));
    actions.append(action('Cancel', 'DELETE', `/api/teachers/links/${session.id}`, 'Cancelled.'));
  }
  return make(
    'tr', { 'data-key': session.id }, make('th', { scope: 'row' }, session.studentName), cell(STATUS_WORDS[session.sessionStatus]),
    cell(DELIVERY_WORDS[session.delivered], session.delivered === 'failed' && session.deliveryReason), cell(formatMoment(session.clickedAt)), cell(formatMoment(session.sessionEndedAt)),
    right(session.sessionDurationMinutes === null ? '–' : String(session.sessionDurationMinutes)), make('td', {}, actions),
  );
}

function action(words, method, path, done) {
  const button = make('button', { type: 'button', class: 'link' }, words);
  button.addEventListener('click', attempt(async () => {
    await callApi(path, { method });
    say(done);
    await reload();
  }));
  return button;
}

function openFor(one) {
  student = one;
  show('student', one.name);
  show('send-problem', '');
  dialog.showModal();
}

async function send() {
  const { link, package: chosen } = form.elements;
  const body = { link: link.value.trim(), ...(chosen.value && { packageId: chosen.value }) };
  const sent = await callApi(`/api/teachers/students/${encodeURIComponent(student.id)}/zoom`, { method: 'POST', body });
  dialog.close();
  say(sent.delivered ? `${student.name} has the link.` : `The link for ${student.name} is made; the message is not delivered yet.`);
  await reload();
}
