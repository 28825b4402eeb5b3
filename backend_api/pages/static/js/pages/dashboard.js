/** `/artist/dashboard`: an artist's figures; an admin names the artist as `?artistId=`. */

import { ApiError, callApi } from '../api.js';
import { find, make, show } from '../dom.js';
import { chosenRange, completionWords, count, curve, fill, fillFacts, growthWords, keepFigures, minutes, percent, rangeWords, share } from '../engagement.js';
import { counted, formatStart } from '../format.js';

const artist = new URLSearchParams(location.search).get('artistId') || null;
const whose = artist === null ? '' : `&artistId=${encodeURIComponent(artist)}`;
const chart = curve(find('[data-chart]'));

keepFigures({
  ask,
  display,
  failure: 'The dashboard could not be loaded',
});

/** A token that is nobody's own, an admin's, has to say whose: that is chosen where everything is. */
async function ask(signal) {
  try {
    return await callApi(`/api/dashboard/stats?timeRange=${chosenRange()}${whose}`, { signal });
  } catch (error) {
    if (error.status !== 422) throw error;
    if (artist === null) location.replace('/admin/stats');
    throw new ApiError('invalid', 'No artist has such an id; the page about all tracks has everybody to choose from.');
  }
}

function display(found) {
  const range = chosenRange();
  show('artist', found.artist.name ?? found.artist.artistId);
  showTiles(found, range);
  show('curve', `Plays, ${rangeWords(range)}`);
  chart.draw(found.series, 'Plays', found.timezone);
  showLists(found);
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
  fill('top', topTracks.map((track) => make('li', {}, make('span', {}, named(track)), make('small', { class: 'number' }, counted(track.totalPlays, 'play')))));
  const rates = [
    ['Likes', share(engagement.likeRate)], ['Shares', share(engagement.shareRate)], ['Saves', share(engagement.saveRate)],
    ['Downloads', share(engagement.downloadRate)], ['Completion', percent(engagement.completionRate)],
  ];
  fillFacts('rates', engagement.likeRate === null ? [] : rates);
  fillFacts('playlists', playlists.map((list) => [list.title, counted(list.totalTracks, 'track')]));
  const lately = [...recentActivity.plays.map((one) => ['Played', one]), ...recentActivity.likes.map((one) => ['Liked', one])];
  const newestFirst = lately.sort(([, a], [, b]) => Date.parse(b.timestamp) - Date.parse(a.timestamp));
  fill('recent', newestFirst.map(([what, one]) => make(
    'tr', {}, make('th', { scope: 'row' }, named(one)), make('td', {}, what), make('td', { class: 'right' }, formatStart(Date.parse(one.timestamp) / 1_000, 60)),
  )));
}
