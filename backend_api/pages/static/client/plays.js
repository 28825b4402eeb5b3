/** The plays that run on a page, and for how long each was heard. Touches nothing; ids and the clock are given. */

import { endOf } from './queue.js';

/** `elapsed` is milliseconds of a clock that nobody sets. An end is `{trackId, fields}`, with its event's id from the start. */
export function runningPlays({ newId, elapsed }) {
  const plays = new Map();

  function start(trackId, { trackDuration, replayed, position }) {
    const playId = newId();
    plays.set(playId, { trackId, trackDuration, replayed, position, eventId: newId(), startedAt: elapsed(), heard: null, length: 0 });
    return playId;
  }

  /** Remembers where each play is, and how long its track: at the end its player may be gone. */
  function look() {
    for (const play of plays.values()) {
      hear(play);
      measure(play);
    }
  }

  function hear(play) {
    play.heard = told(play.position) ?? play.heard;
    return play.heard ?? Math.round(elapsed() - play.startedAt) / 1_000;
  }

  function measure(play) {
    play.length = told(play.trackDuration) ?? play.length;
    return play.length;
  }

  function ended(playId, play, { duration, trackDuration, replayed }) {
    const heard = Number.isFinite(duration) ? duration : hear(play);
    const again = replayed ?? play.replayed;
    const fields = { eventId: play.eventId, playId, ...endOf(heard, told(trackDuration) ?? measure(play)) };
    return { trackId: play.trackId, fields: { ...fields, ...(again !== undefined && { replayed: again }) } };
  }

  /** Ends a play; null for one that is unknown or has ended. */
  function end(playId, said) {
    const play = plays.get(playId);
    if (!play) return null;
    plays.delete(playId);
    return ended(playId, play, said);
  }

  const lasting = () => [...plays].filter(([, play]) => play.position);

  return {
    start,
    look,
    end,
    /** The ends of the plays that tell their position, as they would be now; the plays go on. */
    ends: () => lasting().map(([playId, play]) => ended(playId, play, {})),
    /** Ends them. */
    endAll: () => lasting().map(([playId]) => end(playId, {})),
  };
}

/** A player's number of seconds, given or asked for; null while it has none (no metadata yet, a stream) or is gone. */
function told(seconds) {
  try {
    const number = typeof seconds === 'function' ? seconds() : seconds;
    return Number.isFinite(number) ? number : null;
  } catch {
    return null;
  }
}
