// What a run amounts to, in one sentence, and the step that shows it best.

import { brokeOff, compared, decoded, hasDraft, plainName, plainWords, whole } from './runs.js';
import { speedup } from './speedup.js';
import { number, passes, percent, plural } from './text.js';

/** @import { DraftStep, Run } from '../types' @typedef {[words: string, kind?: string][]} Pieces texts, each with the class that colours it, if any */

const LOOP_TOKENS = 24; // so many tokens that repeat, and three times over, are a loop
const LONGEST_LOOP = 64;
const MOST_BESIDE = 3, MOST_RIGHT = 4; // further branches, and accepted tokens, that make a step tell more

/** The sentence at the end of a run; `plain` is the same prompt without drafts, where that was run. @param {Run} run @param {Run} [plain] @returns {Pieces} */
export function summary(run, plain) {
  const tokens = run.steps.flatMap((step) => step.emitted);
  const after = decoded(run), drafted = run.steps.some((step) => hasDraft(step) && step.draft.parent.length > 1), known = run.end?.known;
  const made = (known && drafted ? 'It had already written this answer, now ' : known ? 'It had already written this answer, but no guess was worth a wider pass, so ' : 'After the first token, ') + plural(after.tokens, 'token') + ' in ' + passes(after.passes);
  if (!whole(run)) return [['The run ' + brokeOff(run) + '. ' + made + '.']];
  if (!tokens.some(([, text]) => text.trim())) return [[run.end?.finish_reason === 'length' ? 'The model wrote ' + plural(tokens.length, 'token') + ' without visible text; that was all it was allowed.' : 'The model wrote nothing: its text ended at once.']];
  if (run.method === 'plain') return [[made + ': ' + (run.head.drawn ? 'plain' : 'greedy') + ' decoding writes one token per pass.']];
  const seen = tokens.filter(([, text]) => text.trim()), loop = loopStart(seen.map(([id]) => id)); // loops may be indented ever deeper
  if (loop !== null) return [['The model repeats itself from token ' + (tokens.indexOf(seen[loop]) + 1) + ' on'], [', and a loop is easy to guess. ' + made + ' say little about other texts.']];
  if (!after.passes) return [['The model wrote 1 token, in the prompt’s pass.']];
  if (!plain) return [[made + ': ' + number(after.tokens / after.passes, 1) + ' tokens per pass', 's-right'], ['. Compare times ' + plainWords(run) + ', too.']];
  const fast = speedup(run, plain);
  if (!fast) return [[made + '. ' + plainName(run) + ' decoding did not end, so the times are not compared.']];
  /** @type {Pieces} */ const ending = compared(run, plain).same ? [[(fast.kind === 'slower' ? '; ' : ', ') + 'the same text.']] : [[', but '], ['not the same text', 's-wrong'], ['.']];
  if (fast.kind === 'busy') return [[made], ...ending, [' The machine was busy, so the times say nothing: press Compare again.']];
  if (fast.kind !== 'slower') return [[made + ': '], [fast.words + ' here', fast.kind === 'faster' ? 's-right' : undefined], ...ending];
  return [[made + ': only '], [fast.words + ' here', 's-wrong'], [', because ' + whySlower(run, plain)], ...ending];
}

/** Why the drafts did not pay. */
function whySlower(/** @type {Run} */ run, /** @type {Run} */ plain) {
  const theirs = plain.steps.filter(hasDraft), wide = run.steps.filter(hasDraft).filter(({ draft }) => draft.parent.length > 1);
  if (!decoded(run).passes || !theirs.length) return 'the text is too short';
  if (!wide.length) return 'nothing could be drafted';
  const longer = mean(wide, ({ ms }) => ms[1]) / mean(theirs, ({ ms }) => ms[1]), brought = mean(wide, ({ emitted }) => emitted.length);
  if (!(longer > brought)) return 'only ' + percent(mean(wide, ({ path }) => path.length) / mean(wide, ({ draft }) => draft.parent.length - 1)) + ' of the guesses were right';
  return 'a pass with guesses took ' + number(longer, 1) + ' times as long and brought ' + number(brought, 1) + ' tokens';
}

/** @param {DraftStep[]} steps @param {(step: DraftStep) => number} value */
const mean = (steps, value) => steps.reduce((sum, step) => sum + value(step), 0) / steps.length;

/** The place of the first token of a loop at the end of an output; null where there is none. */
export function loopStart(/** @type {number[]} */ ids) {
  let found = null;
  for (let period = 1; period <= LONGEST_LOOP; period++) {
    let first = ids.length - 1;
    while (first >= period && ids[first] === ids[first - period]) first--;
    const start = first + 1 - period;
    if (ids.length - start >= Math.max(LOOP_TOKENS, 3 * period) && (found === null || start < found)) found = start;
  }
  return found;
}

/** The step to look at after a run: several branches of which some tokens were accepted, or else where most was; where the run lost, the largest draft of which nothing was. @param {Run} run @param {Run} [plain] */
export function tellingStep(run, plain) {
  const lost = speedup(run, plain)?.kind === 'slower';
  let best = Math.max(0, run.steps.length - 1), most = -1;
  run.steps.forEach((step, i) => {
    if (!hasDraft(step)) return;
    const drafted = step.draft.parent.length - 1, right = step.path.length;
    const branches = drafted + 2 - new Set(step.draft.parent).size; // nodes without children; -1 is the root's
    const tells = lost ? drafted - 100 * right : (1 + Math.min(branches - 1, MOST_BESIDE)) * Math.min(right, MOST_RIGHT) + right / 100 + (right ? (drafted - right) / 1e5 : 0);
    if (drafted && tells > most) [best, most] = [i, tells];
  });
  return best;
}
