/** `/admin/stats`: engagement with everything, an artist or a track. */

import { ApiError, callApi } from '../api.js';
import { enterState, find, make, show } from '../dom.js';
import { chosenRange, completionWords, count, curve, fillFacts, freshnessWords, minutes, rangeWords, share } from '../engagement.js';
import { formatClock } from '../format.js';
import { askForToken, startSession } from '../session.js';
import { currentToken } from '../token.js';

const MOST_TRACKS = 500;
const banner = find('[data-banner]');
const whose = find('#whose');
const metric = find('#metric');
const chart = curve(find('[data-chart]'));
let loading = null;
let isShown = false;

startSession(start);
find('[data-range]').addEventListener('change', load);
find('[data-choose]').addEventListener('change', load);
find('[data-choose]').addEventListener('submit', (event) => event.preventDefault());
find('[data-retry]').addEventListener('click', start);
start();

async function start() {
  isShown = false;
  if (currentToken() === null) return askForToken('missing');
  enterState('loading');
  try {
    fillChoice((await callApi(`/api/tracks?limit=${MOST_TRACKS}`)).tracks);
    await load();
  } catch (error) {
    fail(error);
  }
}

function fillChoice(tracks) {
  const option = (name, id, words) => make('option', { value: `${name}=${encodeURIComponent(id)}` }, words);
  const group = (label, options) => {
    const made = make('optgroup', { label });
    made.append(...options);
    return made;
  };
  const artists = [...new Set(tracks.map(({ artistId }) => artistId))].sort();
  whose.replaceChildren(
    make('option', { value: '' }, 'All tracks'),
    group('Artists', artists.map((id) => option('artistId', id, id))),
    group('Tracks', tracks.map(({ trackId, title, artistId }) => option('trackId', trackId, `${title} · ${artistId}`))),
  );
}

async function load() {
  loading?.abort();
  const mine = (loading = new AbortController());
  const subject = whose.value && `&${whose.value}`;
  try {
    const found = await callApi(`/api/stats/analytics?timeRange=${chosenRange()}&metric=${metric.value}${subject}`, { signal: mine.signal });
    if (mine === loading) display(found);
  } catch (error) {
    if (mine === loading) fail(error);
  }
}

function display(found) {
  isShown = true;
  enterState('ready');
  banner.hidden = true;
  show('subject', whose.selectedOptions[0].textContent);
  showTiles(found);
  const words = metric.selectedOptions[0].textContent;
  show('curve', `${words}, ${rangeWords(chosenRange())}`);
  chart.draw(found.series, words);
  breakdown('sources', found.sourceBreakdown, 'No plays yet');
  breakdown('platforms', found.platformBreakdown, 'Not shared yet');
  breakdown('countries', found.countryBreakdown, 'No country is known');
  show('freshness', freshnessWords(found.freshness));
  show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
}

function showTiles(found) {
  show('plays', count(found.totalPlays));
  show('plays-note', found.replayRate === null ? '' : `${share(found.replayRate)} replayed`);
  show('people', count(found.uniquePlays));
  show('people-note', found.exact ? 'counted' : 'estimated');
  show('duration', minutes(found.avgDuration));
  show('duration-note', completionWords(found.avgCompletionRate));
  show('skips', share(found.skipRate));
  show('skips-note', 'under 20 seconds');
  show('likes', count(found.totalLikes));
  show('likes-note', found.totalUnlikes > 0 ? `${count(found.totalUnlikes)} taken back` : '');
  show('shares', count(found.totalShares));
  show('saves', count(found.totalSaves));
  show('downloads', count(found.totalDownloads));
}

function breakdown(name, figures, empty) {
  const total = Object.values(figures).reduce((sum, value) => sum + value, 0);
  const rows = Object.entries(figures).slice(0, 8).map(([key, value]) => [key.replace('_', ' '), `${count(value)} · ${share(value / total)}`]);
  fillFacts(find(`[data-breakdown="${name}"]`), rows, empty);
}

function fail(error) {
  if (error.name === 'AbortError') return;
  if (!(error instanceof ApiError)) throw error;
  if (error.isAboutToken) askForToken(error.reason);
  else if (isShown) {
    banner.textContent = `${error.message} What you see may be old.`;
    banner.hidden = false;
  } else {
    show('failure', 'The figures could not be loaded');
    show('failure-detail', error.message);
    enterState('failed');
  }
}
