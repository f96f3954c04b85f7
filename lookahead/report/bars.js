// Where acceptance is lost: passes by the cause of their end, and draft tokens by source, depth and length of the match.

import { choice, make, press } from './dom.js';
import { CAUSES, changes, number, percent, plural, settingOf } from './words.js';

/** @import { Accepted, Advice, Around, Source, Study } from './study' */

/** @type {Record<string, 'by_source' | 'by_depth' | 'by_match_length'>} */
const PARTS = { source: 'by_source', depth: 'by_depth', match: 'by_match_length' };

/** @param {HTMLElement} box @param {Around} around */
export function mountBars(box, around) {
  /** @type {Study | null} */ let study = null;
  let by = 'cause';
  const rows = make('div', { class: 'bars' }), says = make('p', { class: 'says' });
  const names = { cause: 'cause', source: 'source', depth: 'depth', match: 'match length' };
  box.append(make('div', { class: 'head' }, make('h2', {}, 'Where is it lost?'), make('span', { class: 'tools' }, choice('By', names, by, (value) => { by = value; render(); }))), make('div', { class: 'body' }, rows, says));

  function render() {
    if (!study) return;
    rows.dataset.by = by;
    if (by === 'cause') showCauses(rows, says, study, around);
    else showAccepted(rows, says, Object.entries(study.total[PARTS[by]]), by, around.sources);
  }

  return { show(/** @type {Study} */ next) { study = next; render(); } };
}

/** @param {HTMLElement} rows @param {HTMLElement} says @param {Study} study @param {Around} around */
function showCauses(rows, says, { total, advice }, around) {
  const most = Math.max(1, ...total.losses.map(({ passes }) => passes)), sum = total.losses.reduce((all, { passes }) => all + passes, 0);
  rows.replaceChildren(...total.losses.map(({ cause, passes, tokens }) => {
    const [name, means] = CAUSES[cause] || [cause, ''], cure = cureFor(cause, advice);
    return make('div', { class: 'bar-row', 'data-cause': cause, title: means }, make('span', { class: 'name' }, press(name, () => explain(says, cause, advice, around), { class: 'link', 'data-explain': cause })), bar([['x', passes / most]]),
      make('span', { class: 'value' }, make('b', {}, percent(passes / sum)), ' ' + plural(passes, 'pass', 'passes')), make('span', { class: 'small' }, ...cureOf(tokens, cure, around)));
  }));
  says.textContent = total.losses.length ? 'A pass ends at the first token that no draft held. Each such token has one cause.' : 'Nothing was lost, or the search was not recorded.';
}

/** What a cause means, what the replays of the study say of it, and the line about it of the table in assets/docs/acceptance.md. @param {HTMLElement} says @param {string} cause @param {Advice[]} advice @param {Around} around */
function explain(says, cause, advice, around) {
  const [name, means, reason] = CAUSES[cause] || [cause, '', ''], line = around.reasons[reason], tried = triedFor(cause, advice);
  says.replaceChildren(make('b', {}, name + ': '), means, ...(tried ? [' ', make('b', {}, 'Other settings: '), tried] : []), ...(line ? [' ', make('b', {}, 'What to do: '), line.then] : []));
}

/** What other settings do about a cause, without its name; where none is better at all, that. @param {string} cause @param {Advice[]} advice */
export function triedFor(cause, advice) {
  const best = advice.find((one) => one.cause === ''), own = advice.find((one) => one.cause === cause);
  const said = own || (best && best.gain === null ? best : null), text = said ? said.text.replace(/^[^:]* % of the passes: /, '') : '';
  return text && text[0].toLowerCase() + text.slice(1);
}

/** The advice that wins the tokens of a cause back: its own, or the one that it refers to. @param {string} cause @param {Advice[]} advice */
export function cureFor(cause, advice) {
  const own = advice.find((one) => one.cause === cause), change = own && changes(own) ? JSON.stringify(settingOf(own)) : '';
  return change ? advice.find((one) => one.gain !== null && one.cause !== 'B' && JSON.stringify(settingOf(one)) === change) : undefined;
}

/** What would win the tokens of a cause back. @param {number} tokens @param {Advice | undefined} cure @param {Around} around */
function cureOf(tokens, cure, around) {
  const words = tokens ? '≤ ' + plural(tokens, 'token') + ' more' : 'not seen there';
  if (!cure) return [words];
  const gain = signed(Number(cure.gain)) + ' % speed';
  return around.use && changes(cure) ? [gain + ' ', press('Try as B', () => around.use?.(settingOf(cure)), { class: 'link' })] : [gain];
}

/** A ratio as a change in percent. */
export const signed = (/** @type {number} */ ratio) => (ratio >= 1 ? '+' : '−') + number(Math.abs(100 * (ratio - 1)), Math.abs(ratio - 1) < 0.0495 ? 1 : 0);

/** @param {HTMLElement} rows @param {HTMLElement} says @param {[string, Accepted][]} parts @param {string} by @param {Source[]} sources */
function showAccepted(rows, says, parts, by, sources) {
  const most = Math.max(1, ...parts.map(([, { drafted }]) => drafted));
  rows.replaceChildren(...parts.map(([name, { drafted, checked, accepted }]) => make('div', { class: 'bar-row', 'data-part': name },
    make('span', { class: 'name' }, ...nameOf(name, by, sources)),
    bar([['a', accepted / most], ['x', (checked - accepted) / most], ['u', (drafted - checked) / most]]),
    make('span', { class: 'value' }, make('b', {}, checked ? percent(accepted / checked) : '–'), ' of ' + number(checked, 0) + ' checked'), make('span', { class: 'small' }))));
  says.replaceChildren(make('span', { class: 'legend' }, ...[['a', 'accepted'], ['x', 'rejected'], ['u', 'not reached']].map(([kind, words]) => make('span', {}, make('i', { class: kind }), words))), parts.length ? ' ' : 'No draft tokens.');
}

/** @param {string} name @param {string} by @param {Source[]} sources */
function nameOf(name, by, sources) {
  if (by === 'depth') return ['depth ' + name];
  if (by === 'match') return ['match of ' + name];
  const found = sources.find((source) => source.name === name);
  return found ? [make('span', { style: 'color: light-dark(' + found.light + ', ' + found.dark + ')', title: found.help }, found.symbol), ' ' + name] : [name];
}

/** A bar of pieces, each a share of its whole width. @param {[kind: string, share: number][]} pieces */
const bar = (pieces) => make('span', { class: 'bar' }, ...pieces.filter(([, share]) => share > 0).map(([kind, share]) => make('i', { class: kind, style: 'width: ' + (100 * share).toFixed(2) + '%' })));
