/** `/admin/statements`: what the lessons of a month cost, by teacher and package; closing a month. */

import { callApi, download } from '../api.js';
import { find, make, setStatus } from '../dom.js';
import { formatCount } from '../format.js';
import { attempt, cell, fillRows, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, say } from '../records.js';
import { currentToken, peek } from '../token.js';

const ROUNDING = { none: 'to the second', up: 'up', nearest: 'to the nearest' };

const filter = find('[data-filter]');
const close = find('[data-close-month]');
filter.elements.month.value = localDate().slice(0, 7);

const reload = keepLoaded(load);
filter.addEventListener('change', reload);
filter.addEventListener('submit', (event) => event.preventDefault());
find('[data-csv]').addEventListener('click', attempt(() => download(`/api/admin/teacher-statements.csv${queryOf(wanted())}`, `statement-${wanted().month}.csv`)));
close.addEventListener('click', attempt(closeMonth));

function wanted() {
  return { month: filter.elements.month.value, teacher: filter.elements.teacher.value.trim() };
}

async function load() {
  const statement = await callApi(`/api/admin/teacher-statements${queryOf(wanted())}`);
  setStatus(find('[data-closed]'), statement.closed ? 'good' : 'wait', statement.closed ? `Closed ${formatMoment(statement.closedAt)}` : 'Open: figures may still change');
  const isAdmin = (peek(currentToken()).roles ?? []).includes('admin');
  close.hidden = !isAdmin || statement.closed || statement.month >= localDate().slice(0, 7);
  find('[data-empty]').hidden = statement.lines.length > 0;
  find('[data-table]').hidden = statement.lines.length === 0;
  fillRows(find('[data-rows]'), statement.lines.map(row));
  const totals = Object.entries(statement.totals);
  find('[data-totals]').replaceChildren(...totals.map(([currency, amount]) => make('div', { class: 'tile' }, make('dt', {}, `Total ${currency}`), make('dd', {}, amount))));
}

function row(line) {
  return make(
    'tr', {}, make('th', { scope: 'row' }, line.teacherName),
    cell(packageWords(line), line.rate !== null && `${line.rate} ${line.currency} per ${line.rateUnit}`, line.rounding !== null && roundingWords(line)),
    right(formatCount(line.sessions)), right(formatSeconds(line.measuredSeconds)), right(line.billedMinutes),
    right(line.amount === null ? '–' : `${line.amount} ${line.currency}`),
  );
}

const packageWords = (line) => (line.rate === null ? 'no package' : `${line.packageName || line.packageId || 'single rate'}${line.packageVersion ? `, version ${line.packageVersion}` : ''}`);

function roundingWords({ rounding, blockMinutes, minimumMinutes }) {
  const blocks = rounding === 'none' ? ROUNDING.none : `${ROUNDING[rounding]} ${blockMinutes} min`;
  return minimumMinutes > 0 ? `${blocks}, at least ${minimumMinutes} min` : blocks;
}

async function closeMonth() {
  const { month } = wanted();
  if (!confirm(`Close ${month}? Its statements never change after that.`)) return;
  await callApi('/api/admin/teacher-statements/close', { method: 'POST', body: { month } });
  say(`${month} is closed.`);
  await reload();
}
