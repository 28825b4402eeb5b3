/** Who is in a room right now. */
export interface LiveCount {
  room: string;
  /** Connected sockets: a second tab is a second viewer. */
  viewerCount: number;
  /** People. */
  uniqueViewers: number;
  /** People with a visible tab. */
  activeViewers: number;
  /** The server counts only its own node for the moment; the true figure may be higher. */
  degraded: boolean;
  /** One life of one node; `seq` is comparable within it. */
  epoch: string;
  seq: number;
  /** When the server counted; missing in the first count after a join. */
  ts?: string | number;
}

export interface LiveError {
  /** `forbidden`, `bad_room`, `too_many_rooms`, `slow_down`, `bad_request`, `unauthorized`, `timeout`, `unreachable`, ... */
  code: string;
  message: string;
}

export interface LiveStatus {
  /**
   * `connecting` at first; `live` while counts are current; `reconnecting` and `draining` while the last count is old;
   * `refused` for good: a new `watchRoom` with another token or room is needed.
   */
  status: 'connecting' | 'live' | 'reconnecting' | 'draining' | 'refused';
  error?: LiveError;
}

export interface WatchOptions {
  /** Where presence_server is, without a path: `https://presence.example`. */
  url: string;
  /** `kind:id`, such as `auction:42`. */
  room: string;
  /** true: this page is a viewer. false (the default): it only looks and is not counted. */
  join?: boolean;
  /** The host application's JWT, or a function that gives a fresh one at each connect. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** A guest's own id, 1 to 64 characters; see `persistentViewerId`. Ignored by the server beside a token. */
  viewerId?: string;
  /** `io` of socket.io-client 4; the global `io` if there is one. */
  io?: (url: string, options: object) => unknown;
  /** Path of the sockets, `/socket.io/` unless configured otherwise. */
  path?: string;
  /** In the order in which they are tried. */
  transports?: string[];
  /** At most ten times a second, and only when a figure changed. */
  onChange?: (count: LiveCount) => void;
  onStatus?: (status: LiveStatus) => void;
}

export interface LiveHandle {
  /** Leaves the room, closes the socket; no callback is called any more. */
  stop(): void;
}

export function watchRoom(options: WatchOptions): LiveHandle;

/** An anonymous id kept in localStorage, so that two tabs are one person; undefined on a server. */
export function persistentViewerId(storage?: Pick<Storage, 'getItem' | 'setItem'> | null): string | undefined;
