/** Calls of the backend with the reader's token; what goes wrong becomes a sentence and a reason. */

import { currentToken, isExpired } from './token.js';

/**
 * `reason` is what a page does about it: `missing`, `expired`, `refused` and `forbidden` are about the token,
 * `gone` is a 404, `invalid` the reader's input, `unavailable` passes by itself.
 */
export class ApiError extends Error {
  constructor(reason, message, { status = 0, requestId = '', retryAfterSeconds = null } = {}) {
    super(message);
    Object.assign(this, { reason, status, requestId, retryAfterSeconds });
  }

  get isAboutToken() {
    return ['missing', 'expired', 'refused', 'forbidden'].includes(this.reason);
  }
}

/** The `data` of an answer. Throws ApiError, or AbortError when `signal` says so. */
export async function callApi(path, { method = 'GET', body, headers, signal } = {}) {
  const response = await send(path, { method, body, headers, signal });
  const answer = await response.json().catch((error) => (error.name === 'AbortError' ? Promise.reject(error) : null));
  if (answer?.data === undefined) throw new ApiError('unavailable', 'Something between here and the server answered in its place.');
  return answer.data;
}

/** Saves what a path answers as a file; the Bearer is why this is no plain link. */
export async function download(path, filename) {
  const response = await send(path, {});
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob().catch(() => Promise.reject(brokenOff())));
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function send(path, { method, body, headers: more, signal }) {
  const token = currentToken();
  if (token !== null && isExpired(token)) throw new ApiError('expired', 'The token has expired.', { status: 401 });
  const headers = { ...more, ...(token && { Authorization: `Bearer ${token}` }), ...(body && { 'Content-Type': 'application/json' }) };
  let response;
  try {
    response = await fetch(path, { method, headers, signal, ...(body && { body: JSON.stringify(body) }) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('unavailable', 'The server cannot be reached.');
  }
  if (!response.ok) throw await problemOf(response, token);
  return response;
}

async function problemOf(response, token) {
  const problem = await response.json().catch(() => ({}));
  const fields = (problem.errors ?? []).map(({ pointer, detail }) => `${pointer.replace('#/', '')}: ${detail}`);
  const message = [problem.detail || problem.title || `The server answered ${response.status}.`, ...fields].join(' ');
  return new ApiError(reasonOf(response.status, token), message, {
    status: response.status,
    requestId: problem.requestId,
    retryAfterSeconds: Number(response.headers.get('Retry-After')) || null,
  });
}

function reasonOf(status, token) {
  if (status === 401) return token === null ? 'missing' : 'refused';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'gone';
  return status === 429 || status >= 500 ? 'unavailable' : 'invalid';
}

function brokenOff() {
  return new ApiError('unavailable', 'The download broke off.');
}
