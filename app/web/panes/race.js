// The race: a lane per run, whether they wrote the same, and which was faster. A lane's name puts its run on the stage.

import { all, fill, make, mark, on, one, put, within } from '../lib/dom.js';
import { compared, decoded, inSentence, knownStep, namesOf, plainName, stepsBy, whole } from '../lib/runs.js';
import { speedup } from '../lib/speedup.js';
import { clock, label, passes, plural } from '../lib/text.js';

/** @import { End, Mount, Run, State } from '../types' @typedef {ReturnType<typeof namesOf>} Names */

const MARKUP = `
<div class="head">
  <h2>Race</h2>
  <span class="badges" data-badges></span>
  <span class="tools" data-tools></span>
  <span class="switch" role="group" aria-label="Race over">
    <button type="button" data-over="passes" aria-pressed="true" title="All runs after the same number of forward passes">passes</button>
    <button type="button" data-over="time" aria-pressed="false" title="All runs after the same time, as it was recorded">time</button>
  </span>
</div>
<div class="lanes" data-lanes></div>
<p class="hint" data-race-hint></p>`;

/** @type {Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'race');
  const place = one(box, '[data-lanes]'), hint = one(box, '[data-race-hint]'), badges = one(box, '[data-badges]');
  /** @type {Lane[]} */ let lanes = [];
  let laidOut = '', badged = '';
  on(box, 'click', (event) => {
    const over = within(event, '[data-over]')?.dataset.over, id = within(event, 'button[data-id]')?.dataset.id;
    if (over) context.raceOver?.(over === 'time');
    if (id) context.show?.(id);
  });
  return {
    draw(state) {
      const runs = state.runs || [state.run], names = namesOf(runs);
      const shape = runs.map((run) => run.id).join(' ');
      if (shape !== laidOut) {
        laidOut = shape;
        lanes = lanesOf(runs, names, !!context.show);
        place.replaceChildren(...lanes.map((lane) => lane.row));
      }
      for (const button of all(box, '[data-over]')) mark(button, 'aria-pressed', String((button.dataset.over === 'time') === !!state.overTime));
      drawLanes(lanes, runs, { ...state, step: knownStep(state) });
      put(hint, hintOf(runs, names, !!state.overTime));
      const ended = runs.slice(1).filter((other) => runs[0].end && other.end);
      const pairs = runs[0].id + ': ' + ended.map((run) => run.id).join(' ');
      if (pairs === badged) return;
      badged = pairs;
      badges.replaceChildren(...ended.map((other) => badge(runs[0], other, runs.length > 2 ? names.get(other.id) + ': ' : '')));
    },
  };
}

/** @typedef {{ row: HTMLElement, run: Run | null, bar: HTMLElement, count: HTMLElement, name: HTMLElement }} Lane a lane; without a run where that was not made */

function lanesOf(/** @type {Run[]} */ runs, /** @type {Names} */ names, /** @type {boolean} */ chooses) {
  const lanes = runs.map((run) => lane(run.method, String(names.get(run.id)), run, chooses));
  if (!runs.some((run) => run.method === 'lookahead')) lanes.unshift(lane('lookahead', 'Lookahead'));
  else if (runs.length === 1) lanes.push(lane('plain', plainName(runs[0])));
  return lanes;
}

/** @param {string} method @param {string} title @param {Run | null} run @param {boolean} chooses whether its name puts its run on the stage @returns {Lane} */
function lane(method, title, run = null, chooses = false) {
  const button = { type: 'button', class: 'name', title: title + ': show the steps of this run', 'data-id': run?.id };
  const name = run && chooses ? make('button', button, title) : make('b', { class: 'name' }, title);
  const bar = make('i'), count = make('span', { class: 'count' });
  const row = make('div', { class: 'lane', 'data-lane': method, role: 'group', 'aria-label': title }, name, make('span', { class: 'track' }, bar), count);
  return { row, run, bar, count, name };
}

/** All lanes run to the same last token. Over passes they are shown after equally many; over time, after equally long. */
function drawLanes(/** @type {Lane[]} */ lanes, /** @type {Run[]} */ runs, /** @type {State} */ state) {
  const goal = Math.max(0, ...runs.filter(whole).map((run) => decoded(run).tokens)) || Math.max(runs[0].head.limit - 1, 1);
  for (const { run, bar, count, name, row } of lanes) {
    if (run && name.tagName === 'BUTTON') mark(name, 'aria-pressed', String(run === state.run));
    const [share, text] = run ? progress(run, state, goal) : withoutRun(row.dataset.lane, state, goal);
    bar.style.transform = 'translateX(' + (100 * Math.max(0, Math.min(1, share)) - 100).toFixed(2) + '%)';
    put(count, text);
  }
}

/** How far a run is, as a share and in words. @param {Run} run @param {State} state @param {number} goal @returns {[number, string]} */
function progress(run, { run: shown, step: at, overTime }, goal) {
  const seconds = shown.steps[at]?.at ?? 0, behind = overTime && run !== shown;
  const taken = run === shown ? at + 1 : overTime ? stepsBy(run, seconds) : Math.min(at + 1, run.steps.length);
  const spent = behind && run.end ? Math.min(seconds, run.end.seconds) : seconds;
  const { tokens, passes: count } = decoded(run, taken - 1), all = whole(run) ? run.end : null, of = decoded(run);
  const text = overTime ? clock(spent) + (all ? ' of ' + clock(all.seconds) : '') : all ? count + ' of ' + passes(of.passes) : passes(count);
  const ended = run.end && (behind ? seconds >= run.end.seconds : taken === run.steps.length);
  return [all && !of.tokens ? 1 : tokens / (all ? of.tokens : goal), plural(tokens, 'token') + ', ' + text + (ended ? outcome(run) : '')];
}

/** What is known of a lane without a run: greedy takes one pass per token. @param {string | undefined} method @param {State} state @param {number} goal @returns {[number, string]} */
function withoutRun(method, { run, step, overTime }, goal) {
  if (method === 'lookahead') return [0, 'not run'];
  if (overTime) return [0, 'not run yet'];
  const all = whole(run) ? decoded(run).tokens : goal, taken = Math.min(step, all);
  return [all ? taken / all : 1, 'would be at token ' + taken + (whole(run) ? ' of ' + all : '')];
}

/** How a run ended, after its last step. */
const outcome = (/** @type {Run} */ run) => (whole(run) ? ' ✓' : run.end?.finish_reason === 'error' ? ', broke off' : ', stopped');

function hintOf(/** @type {Run[]} */ runs, /** @type {Names} */ names, /** @type {boolean} */ overTime) {
  const [first, ...others] = runs;
  const plainly = plainName(first) + (first.head.drawn ? ' decoding' : '') + ' needs one pass per token.';
  if (first.method === 'plain' && !others.length) return plainly;
  if (!others.length) return overTime ? 'Press Compare to run both, one after the other.' : plainly + ' Press Compare to time it for real.';
  return others.map((other) => comparison(first, other, String(names.get(first.id)), String(names.get(other.id)))).join(' ');
}

function comparison(/** @type {Run} */ run, /** @type {Run} */ other, /** @type {string} */ name, /** @type {string} */ otherName) {
  const theirs = inSentence(otherName);
  if (!other.end) return otherName + ' is running now: ' + passes(other.steps.length) + '.';
  if (!whole(run) || !whole(other)) return 'One of the two runs did not finish, so their times are not compared.';
  if (!compared(run, other).same) {
    return 'Not the same tokens: ' + inSentence(name) + ' wrote ' + count(run) + ' and ' + clock(run.end.seconds) +
      ', ' + theirs + ' ' + count(other) + ' and ' + clock(other.end.seconds) + '.';
  }
  const fast = speedup(run, other, theirs === 'plain' ? undefined : theirs), twice = fast && fast.tries > 1 ? '; timed ' + (fast.tries === 2 ? 'twice' : fast.tries + ' times') : '';
  const [mine, others] = fast?.seconds || [run.end.seconds, other.end.seconds];
  return 'Same ' + count(run) + ' instead of ' + decoded(other).passes + ': ' +
    (fast ? fast.words + (fast.kind === 'busy' ? '' : ' here') : '') + ' (' + clock(mine) + ', ' + theirs + ' ' + clock(others) + twice + ').';
}

/** What a run wrote after its first token. */
const count = (/** @type {Run} */ run) => plural(decoded(run).tokens, 'token') + ' in ' + passes(decoded(run).passes);

function badge(/** @type {Run} */ run, /** @type {Run} */ other, /** @type {string} */ name) {
  const { mine, theirs, place, same } = compared(run, other);
  const token = (/** @type {typeof mine} */ emitted) => '“' + label(emitted[place]?.[1] ?? 'end') + '”';
  const text = !same
    ? '✗ different from token ' + (place + 1) + ' on: ' + token(mine) + ' and ' + token(theirs) + parting(other.end?.parted)
    : 'same tokens ✓' + (mine.length === theirs.length ? '' : ' up to where one of them ended');
  return make('span', { class: same ? 'badge' : 'badge bad', 'data-badge': '', 'data-same': same ? 'yes' : 'no' }, name + text);
}

/** How close the model's decision was where the two runs part. */
function parting(/** @type {End['parted'] | undefined} */ parted) {
  if (!parted) return '';
  const apart = parted.gap ? ', whose logits are ' + parted.gap.toPrecision(2) + ' apart' : ', whose logits are equal';
  return apart + (parted.near_tie ? ': a near tie in ' + parted.dtype : ': more than rounding explains, please report it');
}
