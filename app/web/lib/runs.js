// What can be worked out of runs: sums up to a step, how they ended, whether two wrote the same.

/** @import { DraftStep, EndedRun, Run, State, Step } from '../types' */

/** Whether the run came to an end of its own. @param {Run} run @returns {run is EndedRun} */
export const whole = (run) => !!run.end && !['cancelled', 'error'].includes(run.end.finish_reason);

/** Whether it ended before that. @param {Run} run */
export const cutShort = (run) => !!run.end && !whole(run);

/** In words why it ended early; '' where it did not. @param {Run} run */
export function brokeOff(run) {
  if (!run.end) return '';
  const { finish_reason: reason, problem } = run.end;
  if (reason === 'error') return 'broke off' + (problem ? ': ' + problem : '');
  return reason === 'cancelled' ? 'stopped before its end' : '';
}

/** Whether the runs are no longer timed, so that the server may be asked. @param {State} state */
export const isOver = (state) => state.over ?? !!state.run.end;

/** Whether a run drafts nothing by its settings. @param {Run} run */
export const draftsOff = (run) => run.head.config.decoding_length < 2;

/**
 * The names of runs that are shown side by side, by id: "Greedy", "Lookahead", "Lookahead 2".
 * @param {Run[]} runs
 */
export function namesOf(runs) {
  /** @type {Record<string, number>} */
  const seen = {};
  return new Map(runs.map((run) => {
    const count = (seen[run.method] = (seen[run.method] || 0) + 1);
    return [run.id, (run.method === 'plain' ? 'Greedy' : 'Lookahead') + (count > 1 ? ' ' + count : '')];
  }));
}

/** The plain run beside a lookahead run. @param {State} state */
export const plainBeside = ({ run, runs = [] }) => (run.method === 'plain' ? undefined : runs.find((other) => other.method === 'plain'));

/**
 * @typedef {{ tokens: number, steps: number, emitted: number, drafted: number, accepted: number, ms: number[] }} Sums
 * tokens of all steps; of the steps after the prefill: their number, tokens, draft tokens, accepted ones, milliseconds
 */

/** @type {Sums} */
const NOTHING = { tokens: 0, steps: 0, emitted: 0, drafted: 0, accepted: 0, ms: [0, 0, 0, 0] };
/** @type {WeakMap<Run, Sums[]>} */
const sums = new WeakMap();

/**
 * Sums up to a step, that one included; each is worked out once, from the one before.
 * @param {Run} run
 * @param {number} last
 * @returns {Sums}
 */
export function sumsAt(run, last) {
  let known = sums.get(run);
  if (!known) sums.set(run, known = []);
  for (let i = known.length; i <= last && i < run.steps.length; i++) {
    const before = i ? known[i - 1] : NOTHING;
    const step = run.steps[i];
    const decoded = step.draft ? 1 : 0;
    known.push({
      tokens: before.tokens + step.emitted.length,
      steps: before.steps + decoded,
      emitted: before.emitted + decoded * step.emitted.length,
      drafted: before.drafted + (step.draft ? step.draft.parent.length - 1 : 0),
      accepted: before.accepted + step.path.length,
      ms: decoded ? before.ms.map((value, phase) => value + step.ms[phase]) : before.ms,
    });
  }
  return known[Math.min(last, known.length - 1)] || NOTHING;
}

/** @param {Run} run @param {number} last */
export const tokensAt = (run, last) => sumsAt(run, last).tokens;

/** How many steps had ended by then. @param {Run} run @param {number} seconds */
export function stepsBy(run, seconds) {
  let low = 0, high = run.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.steps[middle].at <= seconds) low = middle + 1; else high = middle;
  }
  return low;
}

/** @typedef {{ mine: Step['emitted'], theirs: Step['emitted'], place: number, same: boolean }} Comparison */
/** @type {WeakMap<Run, { with: Run, found: Comparison }>} */
const comparisons = new WeakMap();

/**
 * The tokens of two ended runs, and the place of the first that differs; worked out once.
 * @param {Run} run
 * @param {Run} other
 * @returns {Comparison}
 */
export function compared(run, other) {
  const known = comparisons.get(other);
  if (known && known.with === run) return known.found;
  const mine = run.steps.flatMap((step) => step.emitted), theirs = other.steps.flatMap((step) => step.emitted);
  const most = Math.min(mine.length, theirs.length);
  let place = 0;
  while (place < most && mine[place][0] === theirs[place][0]) place++;
  const same = place === most && (mine.length === theirs.length || !whole(run) || !whole(other));
  const found = { mine, theirs, place, same };
  comparisons.set(other, { with: run, found });
  return found;
}

/** @type {WeakMap<Step, number[]>} */
const ranked = new WeakMap();

/**
 * The rank of every draft node by estimated probability, 1 for the likeliest; worked out once per step.
 * @param {DraftStep} step
 */
export function ranksOf(step) {
  let found = ranked.get(step);
  if (!found) {
    const ranks = found = step.draft.p.map(() => 0), p = step.draft.p;
    p.map((_, i) => i).slice(1).sort((a, b) => p[b] - p[a] || a - b).forEach((node, place) => { ranks[node] = place + 1; });
    ranked.set(step, found);
  }
  return found;
}

/** A node and its ancestors, the root first. @param {number[]} parents @param {number} node */
export function ancestors(parents, node) {
  const line = [];
  for (let at = node; at >= 0; at = parents[at]) line.push(at);
  return line.reverse();
}

/** @param {Step | undefined} step @returns {step is DraftStep} */
export const hasDraft = (step) => !!step && !!step.draft;

/** The model's own token after the accepted path; null where the text ended in it. @param {Step} step */
export const ownToken = (step) => (step.emitted.length > step.path.length ? step.emitted[step.emitted.length - 1] : null);

/** @type {Record<string, string>} */
export const STATUS = { r: 'root', a: 'accepted', x: 'rejected', u: 'unchecked' };
/** @type {Record<string, string>} */
export const SIGN = { a: '✓ ', x: '✗ ', u: '○ ', r: '' };
