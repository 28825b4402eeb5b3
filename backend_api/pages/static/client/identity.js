/** Ids that a page gives itself: a guest's persistent one, so that two tabs of one browser are one person, the visit's, and new ones. */

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

/** One id per visit: it survives a reload, not the tab. */
export function visitId(storage) {
  const name = 'presence.visit';
  const made = randomId();
  try {
    const kept = storage?.getItem(name);
    if (/^[\w-]{1,64}$/.test(kept ?? '')) return kept;
    storage?.setItem(name, made);
  } catch {
    // Blocked: the visit is this page.
  }
  return made;
}

/** `localStorage` or `sessionStorage`; null where there is none or it is blocked. */
export function storageOrNull(name) {
  try {
    return globalThis[name] ?? null;
  } catch {
    return null;
  }
}

function localStorageOrNull() {
  return typeof window === 'undefined' ? undefined : storageOrNull('localStorage');
}

// crypto.randomUUID exists on https only; a page tried out on a LAN address has none.
export function randomId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
