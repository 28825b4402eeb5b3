/** What pages know of presence_server: where it is, whose token to show it, how a connection is put into words. */

import { watchRoom } from '../client/live.js';
import { io } from '../vendor/socket.io.esm.min.js';
import { currentToken } from './token.js';

const { presenceUrl, presencePath } = document.body.dataset;

const WORDS = {
  connecting: ['wait', 'Connecting'],
  live: ['good', 'Live'],
  reconnecting: ['wait', 'Reconnecting'],
  draining: ['wait', 'Moving to another server'],
  refused: ['bad', 'Not connected'],
};

/** watchRoom with this installation's server and the reader's token, read anew at each connect. */
export function watch(options) {
  return watchRoom({ io, url: presenceUrl, path: presencePath, token: () => currentToken() ?? undefined, ...options });
}

/** A status as `[is, words]` for dom.setStatus. */
export const statusWords = ({ status }) => WORDS[status];

/** A JSON document of presence_server, with the reader's token where `asReader`; null where it cannot be had. */
export async function askPresence(path, { asReader = false, signal } = {}) {
  const token = asReader ? currentToken() : null;
  try {
    const response = await fetch(presenceUrl + path, { signal, ...(token && { headers: { Authorization: `Bearer ${token}` } }) });
    return { isOk: response.ok, ...(await response.json()) };
  } catch {
    return null;
  }
}
