export interface StudySession {
  callId: string;
  sessionId: string;
  /** RFC 3339. */
  startedAt: string;
  /** It is the session of the page before this one. */
  resumed: boolean;
  /** What carries it. */
  via: 'socket' | 'http';
}

export interface StudyDuration {
  callId: string;
  durationSeconds: number;
  source: 'provider' | 'server' | 'page';
}

export interface StudyStatus {
  status: 'connecting' | 'live' | 'reconnecting' | 'refused' | 'ended';
  via: 'socket' | 'http' | null;
}

export interface StudyOptions {
  callId: string;
  /** The host application's JWT, or a function that gives a fresh one. */
  token: string | (() => string | Promise<string>);
  /** Where presence_server is, without a path. Without it the session is carried by HTTP. */
  url?: string;
  /** Where the backend is; without it there is no fallback to HTTP. */
  backendUrl?: string;
  /** `io` of socket.io-client 4; the global `io` if there is one. */
  io?: (url: string, options: object) => unknown;
  path?: string;
  transports?: string[];
  onSession?: (session: StudySession) => void;
  /** About every thirty seconds. */
  onDuration?: (duration: StudyDuration) => void;
  onStatus?: (status: StudyStatus) => void;
}

export interface StudyDay {
  date: string;
  hours: number;
  seconds: number;
  sessions: number;
}

export interface DailyOptions {
  backendUrl: string;
  token: StudyOptions['token'];
  /** For admins; everybody else sees their own. */
  userId?: string;
  from?: string;
  to?: string;
  /** An IANA time zone; the browser's if left out. */
  tz?: string;
}

/** Gives back a way to stop hearing of the call; its tracking ends with the last caller that does. */
export function startTracking(options: StudyOptions): () => Promise<void>;
/** The user leaves the call, whoever hears of it. */
export function endTracking(callId: string): Promise<void>;
export function isTracking(callId?: string): boolean;
export function dailyHours(options: DailyOptions): Promise<StudyDay[]>;
export function subjectOf(token: string): string | null;
