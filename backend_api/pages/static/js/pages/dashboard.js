/** `/artist/dashboard`: an artist's figures; an admin names the artist as `?artistId=`. */

import { ApiError, callApi } from '../api.js';
import { enterState, everyMinute, find, make, show } from '../dom.js';
import { chosenRange, completionWords, count, curve, fillFacts, freshnessWords, growthWords, minutes, percent, rangeWords, share } from '../engagement.js';
import { formatClock, formatStart } from '../format.js';
import { askForToken, startSession } from '../session.js';
import { currentToken } from '../token.js';

const artist = new URLSearchParams(location.search).get('artistId');
const banner = find('[data-banner]');
const chart = curve(find('[data-chart]'));
let loading = null;
let isShown = false;

startSession(start);
find('[data-range]').addEventListener('change', load);
find('[data-retry]').addEventListener('click', start);
everyMinute(() => isShown && load());
start();

function start() {
  isShown = false;
  if (currentToken() === null) return askForToken('missing');
  enterState('loading');
  load();
}

async function load() {
  loading?.abort();
  const mine = (loading = new AbortController());
  const whose = artist === null ? '' : `&artistId=${encodeURIComponent(artist)}`;
  try {
    const found = await callApi(`/api/dashboard/stats?timeRange=${chosenRange()}${whose}`, { signal: mine.signal });
    if (mine === loading) display(found, chosenRange());
  } catch (error) {
    if (mine === loading) fail(error);
  }
}

function display(found, range) {
  isShown = true;
  enterState('ready');
  banner.hidden = true;
  show('artist', found.artist.name ?? found.artist.artistId);
  showTiles(found, range);
  show('curve', `Plays, ${rangeWords(range)}`);
  chart.draw(found.series, 'Plays');
  showLists(found);
  show('freshness', freshnessWords(found.freshness));
  show('updated', `Updated ${formatClock(Date.now() / 1_000)}`);
}

function showTiles({ overview, growth, exact }, range) {
  for (const [name, field] of [['plays', 'totalPlays'], ['likes', 'totalLikes'], ['shares', 'totalShares']]) {
    show(name, count(overview[field]));
    show(`${name}-note`, growthWords(growth[name], range));
  }
  show('people', count(overview.uniqueListeners));
  show('people-note', exact ? 'counted' : 'estimated');
  show('saves', count(overview.totalSaves));
  show('downloads', count(overview.totalDownloads));
  show('duration', minutes(overview.avgDuration));
  show('duration-note', completionWords(overview.avgCompletionRate));
  show('tracks', count(overview.totalTracks));
}

function showLists({ topTracks, engagement, recentActivity, playlists }) {
  const named = (track) => track.title ?? track.trackId;
  const top = topTracks.map((track) => make('li', {}, named(track), ' ', make('small', { class: 'number' }, `${count(track.totalPlays)} plays`)));
  find('[data-list="top"]').replaceChildren(...(top.length > 0 ? top : [make('li', {}, 'Nothing played yet')]));
  fillFacts(find('[data-facts="rates"]'), [
    ['Likes', share(engagement.likeRate)], ['Shares', share(engagement.shareRate)], ['Saves', share(engagement.saveRate)],
    ['Downloads', share(engagement.downloadRate)], ['Completion', percent(engagement.completionRate)],
  ], '');
  const lately = [...recentActivity.plays.map((one) => ['Played', one]), ...recentActivity.likes.map((one) => ['Liked', one])];
  const newestFirst = lately.sort(([, a], [, b]) => Date.parse(b.timestamp) - Date.parse(a.timestamp));
  const rows = newestFirst.map(([what, one]) => [formatStart(Date.parse(one.timestamp) / 1_000, 60), `${what} ${named(one)}`]);
  fillFacts(find('[data-facts="recent"]'), rows, 'Nothing yet');
  fillFacts(find('[data-facts="playlists"]'), playlists.map((list) => [list.title, `${count(list.totalTracks)} tracks`]), 'No playlists');
}

function fail(error) {
  if (error.name === 'AbortError') return;
  if (!(error instanceof ApiError)) throw error;
  if (error.isAboutToken) askForToken(error.reason);
  else if (isShown) {
    banner.textContent = `${error.message} What you see may be old; the next try is within a minute.`;
    banner.hidden = false;
  } else {
    show('failure', 'The dashboard could not be loaded');
    show('failure-detail', error.message);
    enterState('failed');
  }
}
