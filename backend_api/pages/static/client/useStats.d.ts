import type { Collector, CollectorOptions } from './events.js';

interface Hooks {
  useState: <T>(first: T) => [T, (value: T) => void];
  useEffect: (effect: () => void | (() => void)) => void;
}

/** A hook that gives the one collector of the page; null on a server and before the first effect. */
export function makeUseStats(react: Hooks): (options?: CollectorOptions) => Collector | null;
