// What can be worked out of runs: sums up to a step, how they ended, whether two wrote the same.

/** @import { DraftStep, EndedRun, Run, State, Step } from '../types' */

/** Whether the run came to an end of its own. @param {Run} run @returns {run is EndedRun} */
export const whole = (run) => !!run.end && !['cancelled', 'error'].includes(run.end.finish_reason);

/** Whether it ended before that. */
export const cutShort = (/** @type {Run} */ run) => !!run.end && !whole(run);

/** In words why it ended early; '' where it did not. */
export function brokeOff(/** @type {Run} */ run) {
  if (!run.end) return '';
  const { finish_reason: reason, problem } = run.end;
  if (reason === 'error') return 'broke off' + (problem ? ': ' + problem : '');
  return reason === 'cancelled' ? 'stopped before its end' : '';
}

/** Whether the runs are no longer timed, so that the server may be asked. */
export const isOver = (/** @type {State} */ state) => state.over ?? !!state.run.end;

/** Whether a run drafts nothing by its settings. */
export const draftsOff = (/** @type {Run} */ run) => run.head.config.decoding_length < 2;

/** What a run without drafts is called beside this one: greedy, unless tokens are drawn. */
export const plainName = (/** @type {Run} */ run) => (run.head.drawn ? 'Plain' : 'Greedy');

/** The same inside a sentence. */
export const plainWords = (/** @type {Run} */ run) => (run.head.drawn ? 'plain decoding' : 'greedy');

/** The last step whose outcome is shown: of one that is played phase by phase nothing is known before the last phase. */
export const knownStep = (/** @type {State} */ { step, phase }) => (phase && phase !== 'accept' ? step - 1 : step);

/** The names of runs that are shown side by side, by id: "Greedy", "Lookahead"; of several that draft what tells them apart. */
export function namesOf(/** @type {Run[]} */ runs) {
  /** @type {Record<string, number>} */ const seen = {};
  const drafting = runs.filter((run) => run.method === 'lookahead');
  const differing = factsOf(drafting[0]).filter((fact) => new Set(drafting.map(fact)).size > 1), apart = differing.slice(0, differing[0] === shortModel ? 1 : MOST_FACTS);
  return new Map(runs.map((run) => {
    const own = apart.length ? apart.map((fact) => fact(run)).join(', ') : 'Lookahead', name = run.method === 'plain' ? plainName(run) : own;
    const count = (seen[name] = (seen[name] || 0) + 1);
    return [run.id, name + (count > 1 ? ' ' + count : '')];
  }));
}

/** The same inside a sentence: a word of ours in small letters, the name of a model as it is. */
export const inSentence = (/** @type {string} */ name) => (/^(Lookahead|Greedy|Plain)\b/.test(name) ? name.toLowerCase() : name);

const modelOf = (/** @type {Run} */ run) => (run.head.model || '').split(' · ')[0];
const shortModel = (/** @type {Run} */ run) => modelOf(run).split('/').pop() || '';

const MOST_FACTS = 2;
const WORDS = { decoding_length: 'width', branch_length: 'branches', sources: 'from' };

/** What two runs may differ in, in words: the model, and every setting of their drafts. @returns {((run: Run) => string)[]} */
const factsOf = (/** @type {Run | undefined} */ first) => [shortModel, ...Object.keys(first?.head.config || {}).map((name) => (/** @type {Run} */ run) => {
  const value = run.head.config[name], words = /** @type {Record<string, string>} */ (WORDS)[name] || (typeof value === 'number' ? name : '');
  return (words ? words + ' ' : '') + (Array.isArray(value) ? value.join('+') || 'nothing' : value ?? 'any');
})];

/** The plain run beside a lookahead run. */
export const plainBeside = (/** @type {State} */ { run, runs = [] }) => (run.method === 'plain' ? undefined : runs.find((other) => other.method === 'plain'));

/** Something worked out once for each key. @template {WeakKey} K @template V @param {(key: K) => V} work @returns {(key: K) => V} */
function once(work) {
  const known = new WeakMap();
  return (key) => {
    if (!known.has(key)) known.set(key, work(key));
    return known.get(key);
  };
}

/** Tokens of all steps; of those after the prefill: their number, tokens, draft tokens, accepted ones, milliseconds. */
const NOTHING = { tokens: 0, steps: 0, emitted: 0, drafted: 0, accepted: 0, ms: [0, 0, 0, 0] };
/** @type {(run: Run) => (typeof NOTHING)[]} */ const sumsOf = once(() => [NOTHING]);

/** Sums up to a step, that one included; each is worked out from the one before. */
export function sumsAt(/** @type {Run} */ run, /** @type {number} */ last) {
  const sums = sumsOf(run);
  for (const step of run.steps.slice(sums.length - 1, last + 1)) {
    const before = sums[sums.length - 1], decoded = step.draft ? 1 : 0;
    sums.push({
      tokens: before.tokens + step.emitted.length,
      steps: before.steps + decoded,
      emitted: before.emitted + decoded * step.emitted.length,
      drafted: before.drafted + (step.draft ? step.draft.parent.length - 1 : 0),
      accepted: before.accepted + step.path.length,
      ms: decoded ? before.ms.map((value, phase) => value + step.ms[phase]) : before.ms,
    });
  }
  return sums[Math.min(last + 1, sums.length - 1)];
}

/** Tokens and passes after the first token, which the prompt's pass writes: what is counted wherever passes are. By a step, that one included. */
export function decoded(/** @type {Run} */ run, last = Infinity) {
  const { emitted, steps } = sumsAt(run, last);
  return { tokens: emitted, passes: steps };
}

/** How many steps had ended by then. */
export const stepsBy = (/** @type {Run} */ run, /** @type {number} */ seconds) => run.steps.findLastIndex((step) => step.at <= seconds) + 1;

/** @type {(run: Run) => Map<Run, any>} */ const comparisonsOf = once(() => new Map());

/** The tokens of two ended runs, and the place of the first that differs. @param {Run} run @param {Run} other @returns {{ mine: Step['emitted'], theirs: Step['emitted'], place: number, same: boolean }} */
export function compared(run, other) {
  const known = comparisonsOf(run).get(other);
  if (known) return known;
  const mine = run.steps.flatMap((step) => step.emitted), theirs = other.steps.flatMap((step) => step.emitted);
  const most = Math.min(mine.length, theirs.length);
  let place = 0;
  const by = modelOf(run) === modelOf(other) ? 0 : 1;  // another model has other token ids
  while (place < most && mine[place][by] === theirs[place][by]) place++;
  const found = { mine, theirs, place, same: place === most && (mine.length === theirs.length || !whole(run) || !whole(other)) };
  comparisonsOf(run).set(other, found);
  return found;
}

/** The rank of every draft node by estimated probability, 1 for the likeliest. */
export const ranksOf = once((/** @type {DraftStep} */ { draft: { p } }) => {
  const ranks = p.map(() => 0);
  p.map((_, i) => i).slice(1).sort((a, b) => p[b] - p[a] || a - b).forEach((node, place) => { ranks[node] = place + 1; });
  return ranks;
});

/** A node and its ancestors, the root first. */
export function ancestors(/** @type {number[]} */ parents, /** @type {number} */ node) {
  const line = [];
  for (let at = node; at >= 0; at = parents[at]) line.push(at);
  return line.reverse();
}

/** @param {Step | undefined} step @returns {step is DraftStep} */
export const hasDraft = (step) => !!step && !!step.draft;

/** The model's own token after the accepted path; null where the text ended in it. */
export const ownToken = (/** @type {Step} */ step) => (step.emitted.length > step.path.length ? step.emitted[step.emitted.length - 1] : null);

/** @type {Record<string, string>} */ export const STATUS = { r: 'root', a: 'accepted', x: 'rejected', u: 'unchecked' };
/** @type {Record<string, string>} */ export const SIGN = { a: '✓ ', x: '✗ ', u: '○ ', r: '' };

/** @type {(run: Run) => { ids: number[], ends: number[] }} */
const tokensOf = once((run) => ({ ids: [...run.head.prompt_ids || []], ends: [run.head.prompt_ids?.length || 0] }));

/** The ids of prompt and output, and how many of them were there before a step. @returns {{ ids: number[], end: number }} */
export function contextAt(/** @type {Run} */ run, /** @type {number} */ step) {
  const { ids, ends } = tokensOf(run);
  for (const { emitted } of run.steps.slice(ends.length - 1)) ends.push(ids.push(...emitted.map(([id]) => id)));
  return { ids, end: ends[Math.min(step, ends.length - 1)] };
}

const MOST_PLACES = 24;
const FARTHEST = 8; // tokens before a node's own that are marked where it was read

/** Where the last `length` tokens before a step were read before: the ends of those places, the latest first. @returns {number[]} */
export function placesRead(/** @type {Run} */ run, /** @type {number} */ step, /** @type {number} */ length) {
  const { ids, end } = contextAt(run, step), found = [];
  for (let at = end - 1; length && at >= length && found.length < MOST_PLACES; at--) {
    let same = 0;
    while (same < length && ids[at - 1 - same] === ids[end - 1 - same]) same++;
    if (same === length) found.push(at);
  }
  return found;
}

/** Where a draft node was read in the text: the place with most of its path and context before it. @returns {[from: number, to: number] | null} */
export function placeOfNode(/** @type {Run} */ run, /** @type {DraftStep} */ step, /** @type {number} */ node) {
  const { ids, end } = contextAt(run, step.i), path = ancestors(step.draft.parent, node).slice(1);
  const wanted = [...ids.slice(Math.max(0, end - 64), end), ...path.map((at) => step.draft.ids[at])];
  let best = 0, place = -1;
  for (let at = end - 1; at >= 0; at--) {
    let same = 0;
    while (same < wanted.length && at >= same && ids[at - same] === wanted[wanted.length - 1 - same]) same++;
    if (same > best) { best = same; place = at; }
  }
  return place < 0 ? null : [place + 1 - Math.min(best, FARTHEST), place + 1];
}

/** What followed the last tokens of a step without a draft where they were read before: the ids, the most frequent first, and how often. @returns {[id: number, count: number][]} */
export function followers(/** @type {Run} */ run, /** @type {Step} */ step) {
  /** @type {Map<number, number>} */ const counts = new Map();
  const { ids } = contextAt(run, step.i);
  for (const at of placesRead(run, step.i, step.match)) counts.set(ids[at], (counts.get(ids[at]) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** The text of a token of prompt or output; '' where it is not known. */
export function pieceOf(/** @type {Run} */ run, /** @type {number} */ id) {
  const at = contextAt(run, run.steps.length).ids.indexOf(id), before = run.head.prompt_ids?.length || 0;
  if (at < before) return run.head.prompt.length === before ? run.head.prompt[at] ?? '' : '';
  return run.steps.flatMap((step) => step.emitted)[at - before][1];
}

/** The phases of a step, in their order; a step that is shown whole has none. @type {import('../types').Phase[]} */
export const PHASES = ['retrieve', 'draft', 'verify', 'accept'];
