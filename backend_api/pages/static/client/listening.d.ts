import type { LiveError } from './live.js';

/** A session as the server knows it. */
export interface ListeningSession {
  sessionId: string;
  /** Whoever shows it may beat, end or resume this session. */
  sessionToken: string;
  /** RFC 3339. */
  startedAt: string;
  /** It is the session of the page before this one. */
  resumed: boolean;
  /** What carries it. */
  via: 'socket' | 'http';
}

export interface ListeningStatus {
  status: 'connecting' | 'live' | 'reconnecting' | 'refused' | 'ended';
  via: 'socket' | 'http' | null;
  error?: LiveError;
}

export interface ListeningOptions {
  channelId: string;
  streamId?: string;
  showId?: string;
  /** A guest's own id, 1 to 64 characters; see `persistentViewerId`. */
  listenerId?: string;
  /** The host application's JWT, or a function that gives a fresh one. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Where presence_server is, without a path. Without it the session is carried by HTTP. */
  url?: string;
  /** Where the backend is; without it there is no fallback to HTTP. */
  backendUrl?: string;
  /** `io` of socket.io-client 4; the global `io` if there is one. */
  io?: (url: string, options: object) => unknown;
  path?: string;
  transports?: string[];
  /** A session began, or a new one because the last had ended. */
  onSession?: (session: ListeningSession) => void;
  onStatus?: (status: ListeningStatus) => void;
}

export interface ListeningHandle {
  /** The session, null until there is one. */
  readonly session: ListeningSession | null;
}

export interface ListeningUpdate {
  /** Stalls since the last update. */
  buffering?: number;
  /** Reconnects of the stream since the last update. */
  reconnects?: number;
  /** Bits per second. */
  bitrate?: number;
  /** What the page measured; kept beside the server's figure, never counted. */
  durationSeconds?: number;
}

export function startListeningSession(options: ListeningOptions): ListeningHandle;
export function updateListeningSession(handle: ListeningHandle, changes: ListeningUpdate): void;
export function endListeningSession(handle: ListeningHandle, claim?: { durationSeconds?: number }): Promise<void>;
export { persistentViewerId } from './live.js';
