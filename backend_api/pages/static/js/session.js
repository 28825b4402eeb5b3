/** The token as the reader sees it: who they are in the header, the panel that asks for a token and says why. */

import { enterState, find } from './dom.js';
import { currentToken, keepToken, looksLikeToken, peek, takeTokenFromFragment } from './token.js';

/** Wires header and panel. `onToken` is called when there is a new token, or none any more. */
export function startSession(onToken) {
  takeTokenFromFragment();
  const changed = () => {
    showAccount();
    onToken();
  };
  addEventListener('hashchange', () => takeTokenFromFragment() && changed());
  find('[data-account-forget]').addEventListener('click', () => {
    keepToken(null);
    changed();
  });
  find('[data-token-form]')?.addEventListener('submit', (event) => {
    event.preventDefault();
    if (keepPasted(event.target.elements.token)) changed();
  });
  showAccount();
}

/** Shows the token panel with one of its reasons: `missing`, `expired`, `refused`, `forbidden`. */
export function askForToken(reason) {
  for (const text of document.querySelectorAll('[data-reason]')) text.hidden = text.dataset.reason !== reason;
  enterState('signin');
}

function keepPasted(input) {
  // Whole links are pasted too.
  const token = input.value.trim().replace(/^.*#token=/, '').replace(/^Bearer\s+/i, '');
  const isToken = looksLikeToken(token);
  input.setAttribute('aria-invalid', String(!isToken));
  find('[data-token-problem]').hidden = isToken;
  if (!isToken) {
    input.focus();
    return false;
  }
  input.value = '';
  keepToken(token);
  return true;
}

function showAccount() {
  const token = currentToken();
  find('[data-account]').hidden = token === null;
  if (token !== null) find('[data-account-name]').textContent = String(peek(token).sub ?? 'a token');
}
