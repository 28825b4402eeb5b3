/**
 * One collector for a React tree, without a build step: React is handed in.
 *
 *     import * as React from 'react';
 *     import { makeUseStats } from './useStats.js';
 *
 *     export const useStats = makeUseStats(React);
 *     // in a component: const stats = useStats({ url, token });  stats?.trackLike('track-1');
 *
 * The collector is made when the first component mounts and lives as long as the page, so that a play goes on while views
 * come and go. `url` is the first one's, token and consent are always those said last (a consent that is asked for later
 * is null at first; as soon as one component says it, it is asked for). On a server there is none.
 */

import { collectEvents } from './events.js';

export function makeUseStats({ useEffect, useState }, collect = collectEvents) {
  let collector = null;
  let latest = {};
  let isConsentAsked = false;
  const current = (name) => () => (typeof latest[name] === 'function' ? latest[name]() : latest[name]);

  return function useStats(options = {}) {
    const [stats, setStats] = useState(null);
    useEffect(() => {
      latest = { ...latest, ...options };
      isConsentAsked ||= options.consent !== undefined;
      collector ??= collect({ ...options, token: current('token'), consent: current('consent'), asksConsent: () => isConsentAsked });
      setStats(collector);
    });
    return stats;
  };
}
