// What a run amounts to at a step: tiles of numbers, and where the time of a step is spent.

import { all, fill, make, mark, one, put } from '../lib/dom.js';
import { compared, decoded, knownStep, plainBeside, plainName, sumsAt, whole } from '../lib/runs.js';
import { speedup } from '../lib/speedup.js';
import { number, percent } from '../lib/text.js';

/** @import { Mount, Run } from '../types' */

const PHASES = ['retrieve', 'forward', 'verify', 'commit'];

const MARKUP = `
<dl class="four" data-tiles></dl>
<details class="all" aria-label="All numbers"><summary>All numbers</summary>
<div class="card">
<div class="head"><h2>Numbers</h2><span class="fact" data-numbers-fact></span><span class="tools" data-tools></span></div>
<dl class="rest" data-rest></dl>
<div class="parts" aria-hidden="true">${PHASES.map((name) => `<i data-part class="p-${name}"></i>`).join('')}</div>
<p class="legend under"><span data-step-time></span>${PHASES.map((name) => `<span><i class="p-${name}"></i><span data-share></span></span>`).join('')}</p>
<p class="hint" data-not-speedup></p>
</div></details>`;

/** What the tile of the speedup is called after the word "whole", by its kind. @type {Record<string, string>} */ const SPEEDS = { '': 'run speed', faster: 'run faster', slower: 'run slower', same: 'run as fast' };
const FOUR = ['mean_accepted_tokens', 'decode_steps', 'speedup', 'same'];

/** @type {[name: string, title: string, meaning: string, digits: number, unit: string][]} */ const METRICS = [
  ['mean_accepted_tokens', 'tokens per pass', 'written per pass after the first token; plain decoding is exactly 1.0', 1, ''],
  ['acceptance_rate', 'Acceptance rate', 'accepted draft tokens / draft tokens', 1, '%'],
  ['decode_steps', 'passes', 'through the model after the first token, which the prompt’s pass (step 0) writes', 0, ''],
  ['tokens_per_second', 'Tokens per second', 'generated tokens / wall clock, the prompt’s pass included', 1, ''],
  ['speedup', 'whole run speed', 'wall clock of plain decoding / of lookahead, the prompt included; the decode speedup under All numbers leaves it out', 1, '×'],
  ['same', 'text as greedy', 'whether plain decoding wrote the same tokens', 0, ''],
  ['decode_speedup', 'Decode speedup', 'wall clock of both after the first token', 2, '×'],
  ['retrieve_ms', 'Retrieve', 'asking the Trie, mean time per step', 3, 'ms'],
  ['forward_ms', 'Forward', 'the pass through the model', 3, 'ms'],
  ['verify_ms', 'Verify', 'draft tokens against the model’s choices', 3, 'ms'],
  ['commit_ms', 'Commit', 'keeping what was accepted', 3, 'ms'],
];

/** @type {Mount} */ export function mount(box) {
  fill(box, MARKUP, 'numbers');
  const fact = one(box, '[data-numbers-fact]'), stepTime = one(box, '[data-step-time]'), hint = one(box, '[data-not-speedup]');
  const parts = all(box, '[data-part]'), shares = all(box, '[data-share]');
  const tiles = METRICS.map(([name, title, meaning]) => (FOUR.includes(name)
    ? make('div', { 'data-metric': name, 'data-value': '', title: meaning }, make('dt', {}, title), make('dd', {}, '–'))
    : make('div', { 'data-metric': name, 'data-value': '' }, make('dt', {}, title), make('dd', {}, '–'), make('dd', { class: 'means' }, meaning))));
  const beside = make('small'), tileOf = (/** @type {string} */ wanted) => tiles[METRICS.findIndex(([name]) => name === wanted)], same = tileOf('same').children[0], speed = tileOf('speedup'), kind = make('span');
  speed.children[0].replaceChildren(make('span', { class: 'wide' }, 'whole '), kind);
  tiles.forEach((tile) => one(box, FOUR.includes(String(tile.dataset.metric)) ? '[data-tiles]' : '[data-rest]').append(tile));
  one(box, '[data-metric=decode_steps]').append(make('dd', { class: 'beside' }, beside));

  /** Nothing is known of a run that reads its prompt; the numbers of the one before it are not its own. */
  function clear() {
    for (const tile of tiles) {
      mark(tile, 'data-value', '');
      put(tile.children[1], '–');
    }
    mark(speed, 'data-kind', '');
    put(kind, SPEEDS['']);
    for (const text of [beside, fact, hint]) put(text, '');
    drawTimes(PHASES.map(() => 0));
  }

  /** Where the time of a step is spent, in milliseconds per phase. */
  function drawTimes(/** @type {number[]} */ ms) {
    const total = ms.reduce((sum, value) => sum + value, 0);
    parts.forEach((part, i) => { part.style.flexGrow = total ? String(ms[i] / total) : '0'; });
    put(stepTime, total ? number(total, 2) + ' ms per step:' : 'No step has been decoded yet.');
    shares.forEach((share, i) => put(share, PHASES[i] + (total ? ' ' + percent(ms[i] / total) : '')));
  }

  return {
    draw(state) {
      const { run } = state, step = state.summed ? run.steps.length - 1 : knownStep(state), plain = plainBeside(state);
      if (!run.steps[step]) return clear();
      const values = numbersAt(run, step, plain), fast = speedup(run, plain);
      METRICS.forEach(([name, , , digits, unit], i) => {
        const value = values[name], tile = tiles[i];
        mark(tile, 'data-value', String(value ?? ''));
        const times = name === 'speedup' ? fast?.times : undefined;
        const text = times || (name === 'same' ? sameText(value) : number(unit === '%' && value !== null ? 100 * value : value, digits));
        put(tile.children[1], text === '–' || times ? text : text + (unit ? '\u2009' + unit : ''));
      });
      mark(speed, 'data-kind', fast?.kind || '');
      put(kind, SPEEDS[fast?.kind || '']);
      put(same, 'text as ' + plainName(run).toLowerCase());
      put(beside, run.method === 'plain' || values.emitted <= values.decode_steps ? '' : 'not ' + values.emitted);
      put(fact, step === run.steps.length - 1 && run.end ? 'of the whole run' : 'up to this step' + (values.speedup === null ? '' : '; speedups of the whole run'));
      put(hint, speedSays(run, plain));
      drawTimes(PHASES.map((name) => values[name + '_ms'] || 0));
    },
  };
}

/** @param {Run} run @param {number} at @param {Run | undefined} plain @returns {Record<string, any>} */
function numbersAt(run, at, plain) {
  const sums = sumsAt(run, at), seconds = run.steps[at].at, end = at === run.steps.length - 1 ? run.end : null;
  const mean = (/** @type {number} */ value) => (sums.steps ? value / sums.steps : null);
  const ratio = (/** @type {'seconds' | 'decode_seconds'} */ name) =>
    (plain && whole(run) && whole(plain) && run.end[name] > 0 && speedup(run, plain)?.kind !== 'busy' ? plain.end[name] / run.end[name] : null);
  return {
    emitted: sums.emitted,
    same: plain && run.end && plain.end ? (compared(run, plain).same ? 1 : 0) : null,
    decode_steps: sums.steps,
    mean_accepted_tokens: end ? end.mean_accepted_tokens : mean(sums.emitted),
    acceptance_rate: end ? end.acceptance_rate : sums.drafted ? sums.accepted / sums.drafted : null,
    tokens_per_second: end ? end.tokens_per_second : seconds > 0 ? sums.tokens / seconds : null,
    speedup: ratio('seconds'),
    decode_speedup: ratio('decode_seconds'),
    ...Object.fromEntries(PHASES.map((name, i) => [name + '_ms', mean(sums.ms[i])])),
  };
}

const CLOSE = 0.95; // a speedup nearer to the passes saved needs no reason

const sameText = (/** @type {number | null} */ same) => (same === null ? '–' : same ? '✓ same' : '✗ other');

function speedSays(/** @type {Run} */ run, /** @type {Run | undefined} */ plain) {
  const why = ': a wide pass takes longer than a narrow one.', fast = speedup(run, plain);
  if (!plain || !fast) return 'Fewer passes do not make it as much faster' + why;
  const saved = decoded(plain).passes / decoded(run).passes, here = fast.kind === 'busy' ? '; ' : ', the whole run ';
  return number(saved, 1) + ' times fewer passes' + here + fast.words + (fast.kind !== 'busy' && fast.ratio < CLOSE * saved ? why : '.');
}
