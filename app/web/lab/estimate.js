// How long a study will take, before it runs.

/** @import { Study } from '../../../lookahead/report/study' */

/** Seconds of so many prompts, and whether that is rather the most; null if nothing is known. As long per prompt as those of a study with the same settings took; else every answer is taken to be as long as it may be, by T(1), and drafts as fast as those of `study`. @param {{ prompts: number, tokens: number, pass: number | null | undefined, plain: boolean, study: Study | null, same: boolean }} known pass: T(1) in seconds; study: of this model; same: with the same settings @returns {{ seconds: number, most: boolean } | null} */
export function secondsOf({ prompts, tokens, pass, plain, study, same }) {
  const total = study?.total;
  if (same && study?.rows.length && total?.seconds && (!plain || total.plain_seconds)) return { seconds: prompts * (total.seconds + (plain ? Number(total.plain_seconds) : 0)) / study.rows.length, most: false };
  return pass && tokens > 0 ? { seconds: prompts * tokens * pass * (1 / (total?.speedup || 1) + (plain ? 1 : 0)), most: true } : null;
}

/** A time as people say it: steps of 5 s, of minutes, of 5 minutes, of half hours. @param {number} seconds */
export function roughly(seconds) {
  const step = (/** @type {number} */ value, /** @type {number} */ size) => Math.max(size, size * Math.round(value / size));
  if (seconds < 57.5) return step(seconds, 5) + ' s';
  if (seconds < 570) return step(seconds / 60, 1) + ' min';
  return seconds < 5250 ? step(seconds / 60, 5) + ' min' : step(seconds / 3600, 0.5) + ' h';
}
