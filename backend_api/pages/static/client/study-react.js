/**
 * Study time as a React hook, without a build step: React is handed in.
 *
 *     import * as React from 'react';
 *     import { studyHook } from './study-react.js';
 *
 *     const useStudyCall = studyHook(React);
 *     const { status, durationSeconds } = useStudyCall({ io, url, backendUrl, token, callId });
 *
 * Tracks the call while the component is mounted; options other than `callId` are read when it begins.
 */

import { endTracking, startTracking } from './study.js';

export const studyHook = ({ useEffect, useState }) => function useStudyCall(options) {
  const [state, setState] = useState({ status: 'connecting', durationSeconds: 0 });
  useEffect(() => {
    if (!options.callId) return undefined;
    startTracking({
      ...options,
      onStatus: ({ status }) => setState((before) => ({ ...before, status })),
      onDuration: ({ durationSeconds }) => setState((before) => ({ ...before, durationSeconds })),
    });
    return () => {
      endTracking(options.callId);
    };
  }, [options.callId]);
  return state;
};
