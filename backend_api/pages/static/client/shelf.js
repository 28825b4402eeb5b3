/** What waits to be sent, kept in storage: by each page for itself, and for the pages that come after it. */

const PREFIX = 'presence.events.';
const MOST_AHEAD_MS = 3_600_000;

/** A page's own place in `storage` under `id`. Where storage is null, blocked or full, nothing is kept and nothing fails. */
export function shelf(storage, id) {
  const own = PREFIX + id;
  const ends = `${own}.ends`;

  /** Keeps these events; after `until` (ms since 1970) they count as left behind. */
  const put = (events, until) => keep(own, events, until);

  /** The same for the ends of plays that go on: each is one that the page may still come to say better. */
  const putEnds = (events, until) => keep(ends, events, until);

  function keep(name, events, until) {
    quietly(() => {
      if (events.length > 0) storage?.setItem(name, JSON.stringify({ until, events }));
      else storage?.removeItem(name);
    });
  }

  /** Takes over what other pages left behind, `room` events at most. Two pages may do so at once: the ids are the same. */
  function take(room, now) {
    const taken = [];
    const names = quietly(() => Object.keys(storage ?? {})) ?? [];
    for (const name of names.filter((name) => name.startsWith(PREFIX) && !name.startsWith(own))) {
      if (taken.length >= room) break;
      quietly(() => taken.push(...takeFrom(name, room - taken.length, now)));
    }
    return taken;
  }

  function takeFrom(name, room, now) {
    const { until, events } = read(storage.getItem(name)) ?? { until: 0, events: [] };
    // One that lies far ahead comes from a clock that was wrong.
    if (until > now && until < now + MOST_AHEAD_MS) return [];
    if (events.length > room) storage.setItem(name, JSON.stringify({ until, events: events.slice(room) }));
    else storage.removeItem(name);
    return events.slice(0, room);
  }

  return { put, putEnds, take };
}

/** An entry, or null where it is none. */
function read(text) {
  try {
    const { until, events } = JSON.parse(text);
    const isWhole = typeof until === 'number' && events.every(({ eventId, timestamp }) => eventId && typeof timestamp === 'number');
    return isWhole ? { until, events } : null;
  } catch {
    return null;
  }
}

function quietly(act) {
  try {
    return act();
  } catch {
    return undefined;
  }
}
