/** The reader's token: comes in the fragment or by pasting, stays in this tab. What is in it is peeked at, never trusted. */

const KEY = 'presence.token';
let inMemory = null;

/** The token of this tab, or null. */
export function currentToken() {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Keeps a token; null forgets it. Where storage is blocked it lasts until the page is left. */
export function keepToken(token) {
  inMemory = token;
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // In memory it is.
  }
}

/** Takes `#token=...` out of the address bar and keeps it. Returns whether there was one. */
export function takeTokenFromFragment() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return false;
  history.replaceState(history.state, '', location.pathname + location.search);
  keepToken(token.trim());
  return true;
}

export const looksLikeToken = (text) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);

/** The claims inside a token, unverified; an empty object where there are none to read. */
export function peek(token) {
  try {
    const bytes = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))));
    return claims !== null && typeof claims === 'object' ? claims : {};
  } catch {
    return {};
  }
}

/** Whether the token's own time is over. `now` is Unix seconds. */
export function isExpired(token, now = Date.now() / 1_000) {
  const { exp } = peek(token);
  return typeof exp === 'number' && exp <= now;
}
