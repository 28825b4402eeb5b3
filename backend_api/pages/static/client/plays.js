/** The plays that run on a page, and for how long each was heard. Touches nothing; ids and the clock are given. */

import { endOf } from './queue.js';

/** `elapsed` is milliseconds of a clock that nobody sets. An end is `{trackId, fields}`, with its event's id from the start. */
export function runningPlays({ newId, elapsed }) {
  const plays = new Map();

  function start(trackId, { trackDuration, replayed, position }) {
    const playId = newId();
    plays.set(playId, { trackId, trackDuration, replayed, position, eventId: newId(), startedAt: elapsed(), heard: null });
    return playId;
  }

  /** Remembers where each play is: at the end its player may be gone. */
  function look() {
    for (const play of plays.values()) hear(play);
  }

  function hear(play) {
    try {
      const position = play.position?.();
      if (Number.isFinite(position)) play.heard = position;
    } catch {
      // Its player is gone.
    }
    return play.heard ?? Math.round(elapsed() - play.startedAt) / 1_000;
  }

  function ended(playId, play, { duration, trackDuration, replayed }) {
    const heard = Number.isFinite(duration) ? duration : hear(play);
    const again = replayed ?? play.replayed;
    const fields = { eventId: play.eventId, playId, ...endOf(heard, trackDuration ?? play.trackDuration ?? 0) };
    return { trackId: play.trackId, fields: { ...fields, ...(again !== undefined && { replayed: again }) } };
  }

  /** Ends a play; null for one that is unknown or has ended. */
  function end(playId, said) {
    const play = plays.get(playId);
    if (!play) return null;
    plays.delete(playId);
    return ended(playId, play, said);
  }

  const told = () => [...plays].filter(([, play]) => play.position);

  return {
    start,
    look,
    end,
    /** The ends of the plays that tell their position, as they would be now; the plays go on. */
    ends: () => told().map(([playId, play]) => ended(playId, play, {})),
    /** Ends them. */
    endAll: () => told().map(([playId]) => end(playId, {})),
  };
}
