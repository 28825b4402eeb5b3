/** `/admin/stats`: engagement with everything, an artist or a track. */

import { callApi } from '../api.js';
import { find, make, show } from '../dom.js';
import { chosenRange, completionWords, count, curve, fillFacts, keepFigures, minutes, rangeWords, share } from '../engagement.js';

const TRACKS_AT_ONCE = 500;
const MOST_TRACKS = 2_000;
const whose = find('#whose');
const metric = find('#metric');
const chart = curve(find('[data-chart]'));
const countries = new Intl.DisplayNames(undefined, { type: 'region' });
const spoken = (key) => key.replace('_', ' ');

find('[data-choose]').addEventListener('submit', (event) => event.preventDefault());
keepFigures({
  prepare: async () => fillChoice(await catalogue()),
  ask: (signal) => callApi(`/api/stats/analytics?timeRange=${chosenRange()}&metric=${metric.value}${whose.value && `&${whose.value}`}`, { signal }),
  display,
  failure: 'The figures could not be loaded',
});

/** The tracks to choose from; beyond MOST_TRACKS nobody finds one in a list. */
async function catalogue() {
  const tracks = [];
  let cursor = '';
  while (cursor !== null && tracks.length < MOST_TRACKS) {
    const page = await callApi(`/api/tracks?limit=${TRACKS_AT_ONCE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    tracks.push(...page.tracks);
    cursor = page.nextCursor;
  }
  find('[data-more]').hidden = cursor === null;
  return tracks;
}

function fillChoice(tracks) {
  const option = (name, id, words) => make('option', { value: `${name}=${encodeURIComponent(id)}` }, words);
  const group = (label, options) => {
    const made = make('optgroup', { label });
    made.append(...options.sort((a, b) => a.textContent.localeCompare(b.textContent)));
    return made;
  };
  const nameOf = ({ artistId, artistName }) => artistName ?? artistId;
  const artists = new Map(tracks.map((track) => [track.artistId, nameOf(track)]));
  whose.replaceChildren(
    make('option', { value: '' }, 'All tracks'),
    group('Artists', [...artists].map(([id, name]) => option('artistId', id, name))),
    group('Tracks', tracks.map((track) => option('trackId', track.trackId, `${track.title} · ${nameOf(track)}`))),
  );
}

function display(found) {
  show('subject', whose.selectedOptions[0].textContent);
  Object.assign(find('[data-dashboard]'), { hidden: !whose.value.startsWith('artistId='), href: `/artist/dashboard?${whose.value}` });
  showTiles(found);
  const words = metric.selectedOptions[0].textContent;
  show('curve', `${words}, ${rangeWords(chosenRange())}`);
  chart.draw(found.series, words, found.timezone);
  breakdown('sources', found.sourceBreakdown, spoken);
  breakdown('platforms', found.platformBreakdown, spoken);
  breakdown('countries', found.countryBreakdown, (code) => countries.of(code));
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

function breakdown(name, figures, words) {
  const total = Object.values(figures).reduce((sum, value) => sum + value, 0);
  fillFacts(name, Object.entries(figures).slice(0, 8).map(([key, value]) => [words(key), `${count(value)} · ${share(value / total)}`]));
}
