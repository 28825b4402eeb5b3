/** `/admin/statements`: what the lessons of a month cost, by teacher and package; closing a month. */

import { callApi, download } from '../api.js';
import { find, make, setStatus } from '../dom.js';
import { formatCount } from '../format.js';
import { attempt, cell, formatMoment, formatSeconds, keepLoaded, localDate, queryOf, right, say, under } from '../records.js';
import { fillRows } from '../rows.js';
import { currentToken, peek } from '../token.js';

const ROUNDING = { none: 'to the second', up: 'rounded up to', nearest: 'rounded to the nearest' };

const filter = find('[data-filter]');
const close = find('[data-close-month]');
filter.elements.month.value = localDate().slice(0, 7);

const reload = keepLoaded(load, () => queryOf(wanted()));
filter.addEventListener('change', reload);
filter.addEventListener('submit', (event) => event.preventDefault());
find('[data-csv]').addEventListener('click', attempt(() => download(`/api/admin/teacher-statements.csv${queryOf(wanted())}`, `statement-${wanted().month}.csv`)));
close.addEventListener('click', attempt(closeMonth));

function wanted() {
  return { month: filter.elements.month.value, teacher: filter.elements.teacher.value.trim() };
}

async function load(signal) {
  const statement = await callApi(`/api/admin/teacher-statements${queryOf(wanted())}`, { signal });
  setStatus(find('[data-closed]'), statement.closed ? 'good' : 'wait', statement.closed ? `Closed ${formatMoment(statement.closedAt)}` : 'Open: figures may still change');
  const isAdmin = (peek(currentToken()).roles ?? []).includes('admin');
  close.hidden = !isAdmin || statement.closed || statement.month >= localDate().slice(0, 7);
  find('[data-empty]').hidden = statement.lines.length > 0;
  find('[data-table]').hidden = statement.lines.length === 0;
  fillRows(find('[data-rows]'), statement.lines, row, keyOf);
  const totals = Object.entries(statement.totals);
  find('[data-totals]').replaceChildren(...totals.map(([currency, amount]) => make('div', { class: 'tile' }, make('dt', {}, `Total ${currency}`), make('dd', {}, amount))));
}

const keyOf = ({ teacherId, packageId, packageVersion, rate, currency }) => [teacherId, packageId, packageVersion, rate, currency].join(' ');

function row(line) {
  return make(
    'tr', {}, make('th', { scope: 'row' }, line.teacherName), packageCell(line), rateCell(line),
    right(formatCount(line.sessions)), counted(line), right(line.billedMinutes),
    right(line.amount === null ? '–' : `${line.amount} ${line.currency}`),
  );
}

/** The time that is billed from, and below it what was measured where corrections say otherwise. */
function counted({ countedSeconds, measuredSeconds, correctedSessions }) {
  if (!correctedSessions) return right(formatSeconds(countedSeconds));
  return right(formatSeconds(countedSeconds), under(`${formatCount(correctedSessions)} corrected`), under(`measured ${formatSeconds(measuredSeconds)}`));
}

function packageCell({ rate, packageName, packageId, packageVersion }) {
  if (rate === null) return cell('No package', under('counted, not billed'));
  return cell(packageName || packageId || 'Single rate', ...(packageVersion ? [under(`version ${packageVersion}`)] : []));
}

function rateCell({ rate, currency, rateUnit, rounding, blockMinutes, minimumMinutes }) {
  if (rate === null) return cell('–');
  const blocks = rounding === 'none' ? ROUNDING.none : `${ROUNDING[rounding]} ${blockMinutes} min`;
  const rule = minimumMinutes > 0 ? `${blocks}, at least ${minimumMinutes} min` : blocks;
  return cell(`${rate} ${currency} per ${rateUnit}`, under(rule));
}

async function closeMonth() {
  const { month } = wanted();
  if (!confirm(`Close ${month}? Its statements never change after that.`)) return;
  await callApi('/api/admin/teacher-statements/close', { method: 'POST', body: { month } });
  say(`${month} is closed.`);
  await reload();
}
