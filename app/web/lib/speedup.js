// How much faster one run was than another, no more exact than their times allow.

import { compared, decoded, hasDraft, plainWords, whole } from './runs.js';

/** @import { Run, Step } from '../types' */

/** How far the time of a run that was made once may be off: a share, as seen between tries on machines that do other things, too. */
const ONCE = 0.1;
const FINE = 0.15; // half the width of a range up to which one digit after the point says something
const COARSE = 0.75; // and up to which a half does

const ALIKE = 1.15; // two times that are closer than this factor, and no clearer, are called about the same

/** Times that say nothing, as when one try took twice as long as the next. @type {Pick<Speedup, 'kind' | 'times' | 'words'>} */
const BUSY = { kind: 'busy', times: '–', words: 'the machine was busy, press Compare again' };

const FEW = 3; // passes without guesses that say how fast a run's passes were

/** @typedef {{ tries: number, kind: 'faster' | 'slower' | 'same' | 'busy', ratio: number, seconds: [number, number], times: string, words: string }} Speedup seconds: of this one and of the other, the mean of their tries */

/**
 * The wall clock of another run by that of this one, with the range that their tries span; null where one did not end by itself.
 * `times` is it as a label ("5.2×"), `words` in a sentence ("5.2 times faster than greedy").
 * @param {Run | undefined} run @param {Run | undefined} other @param {string} [name] what the other one is called
 * @returns {Speedup | null}
 */
export function speedup(run, other, name = run && plainWords(run)) {
  if (!run || !other || !whole(run) || !whole(other) || !(run.end.seconds > 0)) return null;
  const found = ofTimes(triesOf(run, other), triesOf(other, run), name);
  return found.kind === 'same' || believable(found.ratio, run, other) ? found : { ...found, ...BUSY };
}

/** Whether a run's passes allow it to be so much faster, or slower, than plain decoding. @param {number} ratio @param {Run} run @param {Run} plain */
function believable(ratio, run, plain) {
  if (run.method === 'plain' || plain.method !== 'plain' || !compared(run, plain).same) return true;
  const mine = decoded(run).passes, theirs = decoded(plain).passes, least = mine && theirs ? leastSpeedup(run, plain) : 0;
  return ratio <= (mine ? Math.max(1, theirs / mine) : 1) * (1 + ONCE) && ratio >= Math.min(1, least) * (1 - ONCE);
}

/** The decode speedup if a pass without guesses takes as long in both runs, and one with guesses as many times longer as in this run; 0 where too few had none. @param {Run} run @param {Run} plain */
function leastSpeedup(run, plain) {
  const steps = run.steps.filter(hasDraft), forward = (/** @type {Step[]} */ some) => some.map(({ ms }) => ms[1]);
  const narrow = steps.filter(({ draft }) => draft.parent.length === 1), wide = steps.filter(({ draft }) => draft.parent.length > 1);
  const theirs = forward(plain.steps.filter(hasDraft));
  if (narrow.length < FEW) return 0;
  const wider = wide.length ? mean(forward(wide)) / mean(forward(narrow)) : 1;
  const beside = steps.reduce((sum, { ms }) => sum + ms[0] + ms[2] + ms[3], 0) / mean(theirs);
  return theirs.length / (narrow.length + wide.length * wider + beside);
}

/** The same of the seconds of their tries alone. @param {number[]} mine @param {number[]} theirs @param {string} [name] @returns {Speedup} */
export function ofTimes(mine, theirs, name = 'greedy') {
  /** @type {[number, number]} */ const seconds = [mean(mine), mean(theirs)];
  const ratio = seconds[1] / seconds[0], tries = Math.min(mine.length, theirs.length);
  const off = tries > 1 ? 0 : ONCE;
  const low = Math.min(...theirs) / Math.max(...mine) * (1 - off), high = Math.max(...theirs) / Math.min(...mine) * (1 + off);
  const [shown, about] = rounded(ratio, (high - low) / 2);
  if (Number(shown) === 1 || (low <= 1 && high >= 1 && Math.abs(Math.log(ratio)) < Math.log(ALIKE))) return { tries, kind: 'same', ratio, seconds, times: '≈ 1×', words: 'about as fast as ' + name };
  if (low <= 1 && high >= 1) return { tries, ratio, seconds, ...BUSY };
  const kind = ratio > 1 ? 'faster' : 'slower';
  const words = (about ? 'about ' : '') + shown + ' times' + (kind === 'faster' ? ' faster than ' : ' as fast as ') + name;
  return { tries, kind, ratio, seconds, times: (about ? '≈ ' : '') + shown + '×', words };
}

/** Seconds of every try of a run. The run beside it, which ended later, may know of more. @param {Run} run @param {Run} beside */
const triesOf = (run, beside) => [run.end?.seconds || 0, ...(run.end?.repeat_seconds || beside.end?.beside_seconds || [])];

const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A ratio as exactly as half the width of its range allows, and whether that is only about right. @param {number} ratio @param {number} half @returns {[string, boolean]} */
function rounded(ratio, half) {
  if (half < FINE || ratio < 2) return [ratio.toFixed(1), half >= FINE];
  return [String(half < COARSE ? Math.round(2 * ratio) / 2 : Math.round(ratio)), true];
}
