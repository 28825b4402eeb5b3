/**
 * Study time as a React hook, without a build step: React is handed in.
 *
 *     import * as React from 'react';
 *     import { studyHook } from './study-react.js';
 *
 *     const useStudyCall = studyHook(React);
 *     const { status, durationSeconds } = useStudyCall({ io, url, backendUrl, token, callId });
 *
 * Tracks the call while a component that names it is mounted; several of them share one session. Options other than
 * `callId` are read when it begins.
 */

import { startTracking } from './study.js';

export const studyHook = ({ useEffect, useState }) => function useStudyCall(options) {
  const [state, setState] = useState({ status: 'connecting', durationSeconds: 0 });
  useEffect(() => {
    if (!options.callId) return undefined;
    const leave = startTracking({
      ...options,
      onStatus: ({ status }) => setState((before) => ({ ...before, status })),
      onDuration: ({ durationSeconds }) => setState((before) => ({ ...before, durationSeconds })),
    });
    return () => {
      leave();
    };
  }, [options.callId]);
  return state;
};
