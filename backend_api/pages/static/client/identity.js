/** A guest's persistent anonymous id, so that two tabs of one browser are one person. Says nothing about who it is. */

const KEY = 'presence.viewerId';
let ofThisPage = null;

/**
 * The id kept in `storage` (localStorage), made on the first call. Where storage is blocked, one for this page only.
 * Returns undefined on a server.
 */
export function persistentViewerId(storage = localStorageOrNull()) {
  if (storage === undefined) return undefined;
  try {
    const kept = storage.getItem(KEY);
    if (/^[\w-]{1,64}$/.test(kept ?? '')) return kept;
    const made = ofThisPage ?? randomId();
    storage.setItem(KEY, made);
    return made;
  } catch {
    ofThisPage ??= randomId();
    return ofThisPage;
  }
}

function localStorageOrNull() {
  if (typeof window === 'undefined') return undefined;
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

// crypto.randomUUID exists on https only; a page tried out on a LAN address has none.
function randomId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
