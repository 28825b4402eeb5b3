/** `/teacher`: a teacher's students, Send Zoom link, today's sessions. */

import { callApi } from '../api.js';
import { find, make, show } from '../dom.js';
import { timeZone } from '../format.js';
import {
  attempt, cell, duration, isExpired, keepLoaded, lessonStatus, queryOf, rowButton, say, startAndEnd,
} from '../records.js';
import { fillRows } from '../rows.js';

const dialog = find('[data-send]');
const form = find('[data-send-form]');
const fail = (words) => show('send-problem', words);
let student = null;
let repeatKey = null;

const reload = keepLoaded(load);
form.addEventListener('submit', attempt(send, fail));
form.addEventListener('input', newKey);
find('[data-cancel-send]').addEventListener('click', () => dialog.close());

async function load(signal) {
  const [{ students }, { packages }, { sessions }] = await Promise.all([
    callApi('/api/teachers/students', { signal }), callApi('/api/admin/packages', { signal }),
    callApi(`/api/teachers/sessions${queryOf({ tz: timeZone() })}`, { signal }),
  ]);
  const names = new Map(packages.map(({ id, name }) => [id, name]));
  fill('students', students.map((one) => ({ ...one, packageName: names.get(one.packageId) })), studentRow);
  fill('sessions', sessions.map((session) => ({ ...session, isExpired: isExpired(session) })), sessionRow);
  const choices = [make('option', { value: '' }, "The student's own"), ...packages.map(({ id, name }) => make('option', { value: id }, name))];
  if (!dialog.open) form.elements.package.replaceChildren(...choices);
}

function fill(what, records, makeRow) {
  find(`[data-empty="${what}"]`).hidden = records.length > 0;
  find(`[data-${what}-table]`).hidden = records.length === 0;
  fillRows(find(`[data-${what}]`), records, makeRow);
}

function studentRow(one) {
  return make(
    'tr', {}, make('th', { scope: 'row' }, one.name), cell(one.chatId ? 'Telegram' : 'no chat known'),
    cell(one.packageName ?? one.packageId ?? '–'),
    make('td', { class: 'act' }, rowButton('send', 'Send Zoom link', one.name, () => openFor(one))),
  );
}

function sessionRow(session) {
  const actions = make('div', { class: 'row' });
  if (session.sessionStatus === 'pending' && !session.isExpired) {
    actions.append(action(session, 'Send again', 'POST', '/resend', 'Sent again.'), action(session, 'Cancel', 'DELETE', '', 'Cancelled.'));
  }
  return make(
    'tr', {}, make('th', { scope: 'row' }, session.studentName), lessonStatus(session),
    startAndEnd(session), duration(session),
    make('td', { class: 'act' }, actions),
  );
}

function action({ id, studentName }, words, method, path, done) {
  return rowButton(words, words, studentName, async () => {
    await callApi(`/api/teachers/links/${id}${path}`, { method });
    say(done);
    await reload();
  });
}

function openFor(one) {
  student = one;
  newKey();
  show('student', one.name);
  fail('');
  dialog.showModal();
}

// What is asked again under the same key is the same link, however often the request arrives.
function newKey() {
  repeatKey = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function send() {
  const { link, package: chosen } = form.elements;
  if (link.value.trim() === '') return fail('Paste the link of the meeting first.');
  const body = { link: link.value.trim(), ...(chosen.value && { packageId: chosen.value }) };
  const path = `/api/teachers/students/${encodeURIComponent(student.id)}/zoom`;
  const sent = await callApi(path, { method: 'POST', body, headers: { 'Idempotency-Key': repeatKey } });
  dialog.close();
  say(sent.delivered ? `${student.name} has the link.` : `The link for ${student.name} is made; the message is not delivered yet.`);
  await reload();
}
