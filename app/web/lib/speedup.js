// How much faster one run was than another, no more exact than their times allow.

import { plainWords, whole } from './runs.js';

/** @import { Run } from '../types' */

/** How far the time of a run that was made once may be off: a share, as seen between tries on machines that do other things, too. */
const ONCE = 0.1;
const FINE = 0.15; // half the width of a range up to which one digit after the point says something
const COARSE = 0.75; // and up to which a half does

/** @typedef {{ tries: number, kind: 'faster' | 'slower' | 'same', times: string, words: string }} Speedup */

/**
 * The wall clock of another run by that of this one, with the range that their tries span; null where one did not end by itself.
 * `times` is it as a label ("5.2×"), `words` in a sentence ("5.2 times faster than greedy").
 * @param {Run | undefined} run @param {Run | undefined} other @param {string} [name] what the other one is called
 * @returns {Speedup | null}
 */
export function speedup(run, other, name = run && plainWords(run)) {
  if (!run || !other || !whole(run) || !whole(other) || !(run.end.seconds > 0)) return null;
  return ofTimes(triesOf(run, other), triesOf(other, run), name);
}

/** The same of the seconds of their tries alone. @param {number[]} mine @param {number[]} theirs @param {string} [name] @returns {Speedup} */
export function ofTimes(mine, theirs, name = 'greedy') {
  const ratio = mean(theirs) / mean(mine), tries = Math.min(mine.length, theirs.length);
  const off = tries > 1 ? 0 : ONCE;
  const low = Math.min(...theirs) / Math.max(...mine) * (1 - off), high = Math.max(...theirs) / Math.min(...mine) * (1 + off);
  const [shown, about] = rounded(ratio, (high - low) / 2);
  if ((low <= 1 && high >= 1) || Number(shown) === 1) return { tries, kind: 'same', times: '≈ 1×', words: 'about as fast as ' + name };
  const kind = ratio > 1 ? 'faster' : 'slower';
  const words = (about ? 'about ' : '') + shown + ' times' + (kind === 'faster' ? ' faster than ' : ' as fast as ') + name;
  return { tries, kind, times: (about ? '≈ ' : '') + shown + '×', words };
}

/** Seconds of every try of a run. The run beside it, which ended later, may know of more. @param {Run} run @param {Run} beside */
const triesOf = (run, beside) => [run.end?.seconds || 0, ...(run.end?.repeat_seconds || beside.end?.beside_seconds || [])];

const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A ratio as exactly as half the width of its range allows, and whether that is only about right. @param {number} ratio @param {number} half @returns {[string, boolean]} */
function rounded(ratio, half) {
  if (half < FINE || ratio < 2) return [ratio.toFixed(1), half >= FINE];
  return [String(half < COARSE ? Math.round(2 * ratio) / 2 : Math.round(ratio)), true];
}
