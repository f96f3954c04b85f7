// Numbers and names as words.

/** @import { Facts, Row, Study } from './study' */

/** What keeps a token out of a draft: its name, what that means, and the reason of a verdict (lookahead/study/decisions.py) where many passes end so. @type {Record<string, [name: string, means: string, reason: string]>} */
export const CAUSES = {
  unseen: ['never seen', 'No source had seen the token after the one before it, so a draft has it at most by chance: more to copy from is what helps.', 'too few repeats'],
  outranked: ['another guess drafted', 'A source had seen the token there, but the draft held other guesses in its place.', 'another guess drafted'],
  pays: ['too improbable to pay', 'A wider pass for this token would have cost more time than it was likely to save.', 'nothing pays'],
  width: ['cut by decoding_length', 'The pass was full. A larger decoding_length would have held the token.', 'cut by the settings'],
  branch_length: ['cut by branch_length', 'The branch was as long as allowed.', 'cut by the settings'],
  strategy: ['cut by the strategy', 'The strategy allows no branch there.', 'cut by the settings'],
  pruned: ['pruned', 'It had been seen, but the trie was full and forgot it.', 'pruned'],
};

const MARKS = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g; // marks that would reorder or hide their neighbours

/** A text in one line: breaks and control characters as blanks, hiding marks and halves of characters visible. */
export const oneLine = (/** @type {string} */ text) => text.replace(/[\s\x00-\x1f\x7f\u2028\u2029]+/g, ' ').replace(MARKS, (letter) => '⟨' + letter.charCodeAt(0).toString(16) + '⟩').trim(); // eslint-disable-line no-control-regex

const MOST_SHARED = 24; // characters that the beginnings of two prompts may share and still be told apart in a narrow column

/** Texts by which prompts can be told apart: the line, and what comes after a long beginning that another one shares. @param {string[]} texts */
export function apart(texts) {
  const order = texts.map((_, at) => at).sort((a, b) => (texts[a] < texts[b] ? -1 : 1)), shared = texts.map(() => 0);
  for (const [i, at] of order.entries()) {
    if (!i) continue;
    const before = order[i - 1];
    let length = 0;
    while (length < texts[at].length && texts[at][length] === texts[before][length]) length += 1;
    for (const one of [at, before]) shared[one] = Math.max(shared[one], length);
  }
  return texts.map((text, at) => (at + 1) + '. ' + (shared[at] > MOST_SHARED && shared[at] < text.length ? '… ' + text.slice(text.lastIndexOf(' ', shared[at]) + 1) : text));
}

export function number(/** @type {number | null | undefined} */ value, digits = 2) {
  if (value === null || value === undefined || !isFinite(value)) return '–';
  return value >= 1000 || !digits ? Math.round(value).toLocaleString('en-US') : value.toFixed(digits);
}

/** Round numbers from 0 on, about so many of them; the last one is below `most`, or with Math.ceil above it. */
export function ticksTo(/** @type {number} */ most, about = 5, round = Math.floor) {
  const rough = most / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || rough;
  return Array.from({ length: round(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

/** @param {number | null | undefined} share 0 to 1 */
export const percent = (share) => (share === null || share === undefined || !isFinite(share) ? '–' : (share > 0 && share < 0.01 ? '< 1' : String(Math.round(100 * share))) + ' %');

export const times = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? '–' : number(value) + '×');

/** @param {number} count @param {string} noun @param {string} [more] its plural, where that is not noun + s */
export const plural = (count, noun, more) => number(count, 0) + ' ' + (count === 1 ? noun : more || noun + 's');

export function clock(/** @type {number | null | undefined} */ seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 0.01) return (1000 * seconds).toFixed(1) + ' ms';
  if (seconds < 1) return (1000 * seconds).toFixed(0) + ' ms';
  return seconds < 100 ? seconds.toFixed(1) + ' s' : Math.round(seconds / 60) + ' min';
}

/** Settings as a few words. @param {Record<string, any>} config */
export const settingsText = (config) => Object.entries(config).map(([name, value]) => name + ' ' + (value === null ? 'free' : Array.isArray(value) ? value.join('+') || 'none' : String(value))).join(' · ');

/** A variant as settings to try: what it changes, and what a prompt starts with. @param {{ config: Record<string, any>, start: string }} one */
export const settingOf = ({ config, start }) => ({ ...config, start });

/** Whether both change the same. @typedef {{ config: Record<string, any>, start: string }} Change @param {Change} one @param {Change} other */
export const sameSetting = (one, other) => {
  const text = (/** @type {Change} */ { config, start }) => JSON.stringify([start, ...Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))]);
  return text(one) === text(other);
};

/** Whether there is something to try. @param {{ config: Record<string, any>, start: string }} one */
export const changes = ({ config, start }) => start !== 'cold' || Object.keys(config).length > 0;

/** Settings as a command line takes them: what a variant changes, what is not the default, and --warm (of bench). @param {Study} study @param {{ config: Record<string, any>, start: string }} one @param {Facts['settings']} settings */
export function flagsOf({ config: own }, { config, start }, settings) {
  const all = { ...own, ...config }, plain = (/** @type {any} */ value) => (Array.isArray(value) ? value.join(',') || '""' : String(value));
  const given = Object.keys(settings).filter((name) => (all[name] ?? null) !== null && (name in config || plain(all[name]) !== plain(settings[name].default))); // a flag that is left out means none
  return [...given.map((name) => settings[name].flag + ' ' + plain(all[name])), ...(start === 'warm' ? ['--warm'] : [])].join(' ');
}

/** Whether the speedups of a study's rows were measured, or computed from T(n). */
export const measured = (/** @type {Study} */ { rows }) => rows.some(({ speedup }) => speedup !== null);

/** Times faster than plain decoding: measured if it was and other work did not disturb it, else by T(n). */
export const speedupOf = (/** @type {Row} */ { speedup, modelled_speedup: modelled, tokens_per_pass: most, disturbed }) => (disturbed ? modelled ?? most : speedup ?? modelled);

/** The class of a number that pays above 1. */
export const paying = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? '' : value >= 1.005 ? 'pays' : value < 0.995 ? 'loses' : '');
