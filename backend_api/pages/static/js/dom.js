/** The few things that every page does to its document. Text is set as text: nothing here takes HTML. */

export const find = (selector) => document.querySelector(selector);

/** Writes `text` wherever `data-show` has this name. */
export function show(name, text) {
  for (const place of document.querySelectorAll(`[data-show="${name}"]`)) {
    if (place.textContent !== text) place.textContent = text;
  }
}

/** Of the parts with a `data-state`, shows those of this state and hides the others; focus does not get lost in them. */
export function enterState(state) {
  const focused = document.activeElement;
  for (const part of document.querySelectorAll('[data-state]')) part.hidden = part.dataset.state !== state;
  if (focused?.closest('[hidden]')) find('#main').focus({ preventScroll: true });
}

/** An element with text or children: `make('td', { class: 'right' }, '12')`. */
export function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

/** A `.status`: a dot (`good`, `wait`, `bad`) and its words. */
export function setStatus(element, is, words) {
  element.dataset.is = is;
  if (element.textContent !== words) element.textContent = words;
}

/** Calls `act` every minute while the page is visible, a few seconds after the minute so that its snapshot is there. */
export function everyMinute(act) {
  const settled = 8_000 + Math.random() * 4_000;
  let timer = null;
  let dueAt = next();

  function next() {
    return Date.now() + 60_000 - (Date.now() % 60_000) + settled;
  }
  function tick() {
    clearTimeout(timer);
    if (document.hidden) return;
    if (Date.now() >= dueAt) {
      dueAt = next();
      act();
    }
    timer = setTimeout(tick, Math.max(0, dueAt - Date.now()));
  }
  document.addEventListener('visibilitychange', tick);
  tick();
}
