/** `/demo/player/{channel}`: what a player does while it plays, without the sound. */

import { endListeningSession, persistentViewerId, startListeningSession, updateListeningSession } from '../../client/listening.js';
import { io } from '../../vendor/socket.io.esm.min.js';
import { find, setStatus, show } from '../dom.js';
import { formatCount, formatLength } from '../format.js';
import { watch } from '../presence.js';

const WORDS = {
  connecting: ['wait', 'Connecting'],
  live: ['good', 'Playing'],
  reconnecting: ['wait', 'Reconnecting'],
  refused: ['bad', 'Refused'],
  ended: ['wait', 'Not playing'],
};

const { presenceUrl, presencePath } = document.body.dataset;
const { channel } = find('[data-channel]').dataset;
let playing = null;

find('[data-play]').addEventListener('click', play);
find('[data-stop]').addEventListener('click', stop);
find('[data-stall]').addEventListener('click', () => updateListeningSession(playing, { buffering: 1 }));
watch({ room: `channel:${channel}`, onChange: ({ viewerCount }) => show('now', formatCount(viewerCount)) });
setInterval(showTime, 1_000);

function play() {
  setButtons(true);
  playing = startListeningSession({
    channelId: channel,
    listenerId: persistentViewerId(),
    backendUrl: location.origin,
    ...(!find('[data-http]').checked && { io, url: presenceUrl, path: presencePath }),
    onSession: ({ sessionId }) => show('session', sessionId),
    onStatus: showStatus,
  });
}

async function stop() {
  await endListeningSession(playing);
  playing = null;
  setButtons(false);
  showTime();
}

function showStatus({ status, via }) {
  setStatus(find('[data-connection]'), ...WORDS[status]);
  show('via', via ?? '–');
  if (status === 'refused') setButtons(false);
}

function setButtons(isPlaying) {
  find('[data-play]').disabled = isPlaying;
  find('[data-http]').disabled = isPlaying;
  find('[data-stop]').disabled = !isPlaying;
  find('[data-stall]').disabled = !isPlaying;
}

function showTime() {
  const started = playing?.session?.startedAt;
  show('timer', started ? formatLength(Math.max(0, Math.round((Date.now() - Date.parse(started)) / 1_000))) : '–');
}
