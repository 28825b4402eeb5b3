/**
 * One collector for a React tree, without a build step: React is handed in.
 *
 *     import * as React from 'react';
 *     import { makeUseStats } from './useStats.js';
 *
 *     export const useStats = makeUseStats(React);
 *     // in a component: const stats = useStats({ url, token });  stats?.trackLike('track-1');
 *
 * The collector is made when the first component mounts and stops when the last one is gone; on a server it is null.
 */

import { collectEvents } from './events.js';

export function makeUseStats({ useEffect, useState }, collect = collectEvents) {
  let collector = null;
  let users = 0;

  return function useStats(options) {
    const [stats, setStats] = useState(null);
    useEffect(() => {
      collector ??= collect(options);
      users += 1;
      setStats(collector);
      return () => {
        users -= 1;
        if (users > 0) return;
        collector.stop();
        collector = null;
      };
    }, []);
    return stats;
  };
}
