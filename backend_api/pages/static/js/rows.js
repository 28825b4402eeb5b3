/** Records as the rows of a table that is refreshed under a reader's hands: nobody loses their place in it. */

const states = new WeakMap();

/**
 * Shows a record a row. A row whose record is as it was stays the very element; where it changed, the focus goes to the
 * same control (`data-control`) of the new one. Each cell knows its column's name, for screens too narrow for columns.
 */
export function fillRows(body, records, makeRow, keyOf = ({ id }) => id) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const place = placeIn(body);
  const names = [...body.closest('table').tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = records.map((record) => {
    const [key, state] = [String(keyOf(record)), JSON.stringify(record)];
    const old = known.get(key);
    return old && states.get(old) === state ? old : prepared(makeRow(record), key, state, names);
  });
  const wanted = new Set(rows);
  for (const row of [...body.rows]) if (!wanted.has(row)) row.remove();
  rows.forEach((row, index) => body.rows[index] === row || body.insertBefore(row, body.rows[index] ?? null));
  if (place !== null && !body.contains(document.activeElement)) returnTo(place, body, rows);
}

function prepared(row, key, state, names) {
  states.set(row, state);
  row.dataset.key = key;
  row.setAttribute('role', 'row');
  [...row.cells].forEach((cell, index) => {
    cell.dataset.label = names[index];
    cell.setAttribute('role', cell.tagName === 'TH' ? 'rowheader' : 'cell');
  });
  return row;
}

function placeIn(body) {
  const focused = document.activeElement;
  return body.contains(focused) ? { key: focused.closest('tr').dataset.key, control: focused.dataset.control } : null;
}

function returnTo({ key, control }, body, rows) {
  const row = rows.find(({ dataset }) => dataset.key === key);
  const again = row?.querySelector(`[data-control="${control}"]`) ?? body.closest('[tabindex]');
  again?.focus({ preventScroll: true });
}
