// The race: a lane per run, whether they wrote the same, and which was faster. A lane's name puts its run on the stage.

import { all, fill, make, mark, one, put } from '../lib/dom.js';
import { compared, namesOf, stepsBy, tokensAt, whole } from '../lib/runs.js';
import { clock, label, passes, plural } from '../lib/text.js';

/** @import { Context, End, Mount, Run, State } from '../types' @typedef {ReturnType<typeof namesOf>} Names */

const MARKUP = `
<div class="head">
  <h2>Race</h2>
  <span class="badges" data-badges></span>
  <span class="grow"></span>
  <span class="switch" role="group" aria-label="Race over">
    <button type="button" data-over="passes" aria-pressed="true" title="All runs after the same number of forward passes">forward passes</button>
    <button type="button" data-over="time" aria-pressed="false" title="All runs after the same time, as it was recorded">wall clock</button>
  </span>
</div>
<div data-lanes></div>
<p class="hint" data-race-hint></p>`;

/** @type {Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'race');
  const place = one(box, '[data-lanes]'), hint = one(box, '[data-race-hint]'), badges = one(box, '[data-badges]');
  const switches = all(box, '[data-over]');
  for (const button of switches) button.addEventListener('click', () => context.raceOver?.(button.dataset.over === 'time'));
  /** @type {Lane[]} */
  let lanes = [];
  let laidOut = '', badged = '';
  return {
    draw(state) {
      const runs = state.runs || [state.run], names = namesOf(runs);
      const shape = runs.map((run) => run.id).join(' ');
      if (shape !== laidOut) {
        laidOut = shape;
        lanes = lanesOf(runs, names, context);
        place.replaceChildren(...lanes.map((lane) => lane.row));
      }
      for (const button of switches) mark(button, 'aria-pressed', String((button.dataset.over === 'time') === !!state.overTime));
      drawLanes(lanes, runs, state);
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

/** @param {Run[]} runs @param {Names} names @param {Context} context */
function lanesOf(runs, names, context) {
  const lanes = runs.map((run) => lane(run.method, String(names.get(run.id)), run, context));
  if (!runs.some((run) => run.method === 'lookahead')) lanes.unshift(lane('lookahead', 'Lookahead', null, context));
  else if (runs.length === 1) lanes.push(lane('plain', 'Greedy', null, context));
  return lanes;
}

/** @param {string} method @param {string} name @param {Run | null} run @param {Context} context @returns {Lane} */
function lane(method, name, run, context) {
  const title = run && context.show ? make('button', { type: 'button', class: 'name', title: 'Show the steps of this run' }, name) : make('b', { class: 'name' }, name);
  if (run) title.addEventListener('click', () => context.show?.(run.id));
  const bar = make('i'), count = make('span', { class: 'count' });
  const row = make('div', { class: 'lane', 'data-lane': method, role: 'group', 'aria-label': name }, title, make('span', { class: 'track' }, bar), count);
  return { row, run, bar, count, name: title };
}

/**
 * All lanes run to the same last token. Over passes they are shown after equally many; over time, after equally long.
 * @param {Lane[]} lanes
 * @param {Run[]} runs
 * @param {State} state
 */
function drawLanes(lanes, runs, { run: shown, step: at, overTime }) {
  const goal = Math.max(0, ...runs.filter(whole).map((run) => run.end.tokens)) || Math.max(runs[0].head.limit, 1);
  const seconds = shown.steps[at]?.at ?? 0;
  for (const { run, bar, count, name, row } of lanes) {
    if (run && name.tagName === 'BUTTON') mark(name, 'aria-pressed', String(run === shown));
    let share = 0, text;
    if (run) {
      const taken = run === shown ? at + 1 : overTime ? stepsBy(run, seconds) : Math.min(at + 1, run.steps.length);
      const tokens = tokensAt(run, taken - 1);
      share = tokens / (whole(run) ? run.end.tokens : goal);
      text = plural(tokens, 'token') + ', ' + (overTime ? timeOf(run, shown, seconds) : passesOf(run, taken));
      if (run.end && (overTime && run !== shown ? seconds >= run.end.seconds : taken === run.steps.length)) text += outcome(run);
    } else if (row.dataset.lane === 'lookahead') text = 'not run';
    else if (overTime) text = 'not run yet';
    else {  // known without a run: one pass per token
      const all = whole(shown) ? shown.end.tokens : goal;
      const taken = Math.min(at + 1, all);
      share = taken / all;
      text = 'would be at token ' + taken + (whole(shown) ? ' of ' + all : '');
    }
    bar.style.transform = 'translateX(' + (100 * Math.max(0, Math.min(1, share)) - 100).toFixed(2) + '%)';
    put(count, text);
  }
}

/** @param {Run} run @param {number} taken */
const passesOf = (run, taken) => (whole(run) ? taken + ' of ' + passes(run.steps.length) : passes(taken));

/** @param {Run} run @param {Run} shown @param {number} seconds */
function timeOf(run, shown, seconds) {
  const most = run.end && run !== shown ? Math.min(seconds, run.end.seconds) : seconds;
  return clock(most) + (whole(run) ? ' of ' + clock(run.end.seconds) : '');
}

/** How a run ended, after its last step. @param {Run} run */
const outcome = (run) => (whole(run) ? ' ✓' : run.end && run.end.finish_reason === 'error' ? ', broke off' : ', stopped');

/** @param {Run[]} runs @param {Names} names @param {boolean} overTime */
function hintOf(runs, names, overTime) {
  const [first, ...others] = runs;
  if (first.method === 'plain' && !others.length) return 'Greedy needs one pass per token.';
  if (!others.length) return overTime ? 'Press Compare to run both, one after the other.' : 'Greedy needs one pass per token. Press Compare to time it for real.';
  return others.map((other) => comparison(first, other, String(names.get(first.id)), String(names.get(other.id)))).join(' ');
}

/** @param {Run} run @param {Run} other @param {string} name @param {string} otherName */
function comparison(run, other, name, otherName) {
  const theirs = otherName.toLowerCase();
  if (!other.end) return otherName + ' is running now: ' + passes(other.steps.length) + '.';
  if (!whole(run) || !whole(other)) return 'One of the two runs did not finish, so their times are not compared.';
  const times = clock(run.end.seconds) + ', ' + theirs + ' ' + clock(other.end.seconds);
  if (!compared(run, other).same) {
    return 'Not the same tokens: ' + name.toLowerCase() + ' wrote ' + run.end.tokens + ' in ' + passes(run.steps.length) + ' and ' + clock(run.end.seconds) +
      ', ' + theirs + ' ' + other.end.tokens + ' in ' + other.steps.length + ' and ' + clock(other.end.seconds) + '.';
  }
  const ratio = run.end.seconds > 0 ? other.end.seconds / run.end.seconds : 1;
  const speed = ratio.toFixed(1) + (ratio < 1 ? 'x: slower than ' + theirs + ' here' : 'x faster');
  return 'Same ' + plural(run.end.tokens, 'token') + ' in ' + passes(run.steps.length) + ' instead of ' + other.steps.length + ': ' + speed + ' (' + times + ').';
}

/** @param {Run} run @param {Run} other @param {string} name */
function badge(run, other, name) {
  const { mine, theirs, place, same } = compared(run, other);
  const text = same
    ? mine.length === theirs.length ? 'same tokens ✓' : 'same tokens ✓ up to where one of them ended'
    : '✗ different from token ' + (place + 1) + ' on: “' + label((mine[place] || [0, 'end'])[1]) + '” and “' + label((theirs[place] || [0, 'end'])[1]) + '”' + parting(other.end ? other.end.parted : null);
  return make('span', { class: same ? 'badge' : 'badge bad', 'data-badge': '', 'data-same': same ? 'yes' : 'no' }, name + text);
}

/** How close the model's decision was where the two runs part. @param {End['parted']} parted */
function parting(parted) {
  if (!parted) return '';
  const apart = parted.gap ? ', whose logits are ' + parted.gap.toPrecision(2) + ' apart' : ', whose logits are equal';
  return apart + (parted.near_tie ? ': a near tie in ' + parted.dtype : ': more than rounding explains, please report it');
}
