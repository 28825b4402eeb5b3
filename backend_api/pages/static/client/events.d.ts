export type Source = 'landing' | 'playlist' | 'search' | 'direct' | 'share' | 'player';
export type Platform = 'twitter' | 'facebook' | 'instagram' | 'whatsapp' | 'copy_link' | 'embed';

export interface CollectorOptions {
  /** Where the backend is; the page's own origin unless given. */
  url?: string;
  /**
   * Your application's JWT, or a function that gives a fresh one before each batch: `undefined` for a guest. What one user left
   * unsent waits for that user (the JWT's `sub`) and never goes with another's token; what a guest's page left goes with none.
   * A function that answers at once is asked at each event too, so that each is of who is signed in then.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /**
   * What the visitor said, or a function that tells it; false leaves no device id, address or user agent on the server.
   * Null is not asked yet: until there is consent the device gets no id. Left out, your page asks nobody.
   */
  consent?: boolean | null | (() => boolean | null | undefined);
  /** Whether your page asks for consent at all, where that shows later only. Unless given: whether `consent` is. */
  asksConsent?: () => boolean;
  /** The device's: up to 128 of `A-Z a-z 0-9 _ . : ~ -`; one with anything else in it is left out. */
  anonymousId?: string | (() => string | undefined);
  /** An event that will never be stored: the reason is the server's, or `refused` where the whole request was. */
  onRejected?: (event: object, reason: string) => void;
}

export interface Collector {
  /**
   * Returns the id of the play. With `position` the play ends by itself when the page goes away. `trackDuration` is in seconds;
   * give a function where a player knows it later only: `() => audio.duration`.
   */
  trackPlayStart(
    trackId: string,
    options?: { source?: Source; playlistId?: string; replayed?: boolean; trackDuration?: number | (() => number); position?: () => number },
  ): string;
  /** Without a duration, that is the play's `position`, else the time since its start. */
  trackPlayEnd(playId: string, options?: { duration?: number; trackDuration?: number; replayed?: boolean }): void;
  trackLike(trackId: string, options?: { source?: Source; liked?: boolean }): void;
  trackSave(trackId: string, options: { playlistId: string; saved?: boolean }): void;
  trackShare(trackId: string, options: { platform: Platform; source?: Source }): void;
  trackDownload(trackId: string, options?: { source?: Source }): void;
  flush(): Promise<void>;
  readonly stats: { sent: number; dropped: number; refused: number; waiting: number };
  /** Ends the plays that have a `position`, hands over what waits, and listens no longer. */
  stop(): void;
}

export function collectEvents(options?: CollectorOptions): Collector;
