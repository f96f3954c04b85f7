// The prompts by their category: what each kind of request gets out of drafts, the worst first.

import { make } from './dom.js';
import { measured, number, oneLine, paying, percent, speedupOf } from './words.js';

/** @import { Row, Study } from './study' */

/** @typedef {{ kind: string, prompts: number, tokens: number, per_pass: number | null, rate: number | null, speedup: number | null, modelled: number | null, second: number | null }} Kind */

/** The second setting of a study; undefined if there is none. @param {Study} study */
export const secondOf = ({ variants }) => variants.find(({ label }) => label === 'B');

/** The sums of each category, as lookahead/study/rows.py sums all; nothing where there is one category. @param {Study} study @returns {Kind[]} */
export function kindsOf(study) {
  const { rows } = study, second = secondOf(study), ofSecond = new Map(rows.map((row, at) => [row, second?.each[at]]));
  const kinds = new Map(rows.map(({ category }) => [category, rows.filter((row) => row.category === category)]));
  if (kinds.size < 2) return [];
  return [...kinds].map(([kind, own]) => {
    const timed = own.filter((row) => row.seconds && row.plain_seconds !== null), known = own.filter((row) => row.modelled_seconds && row.modelled_speedup !== null), both = own.filter((row) => ofSecond.get(row));
    return {
      kind, prompts: own.length, tokens: sum(own, 'tokens'),
      per_pass: ratio(decoded(own, () => 1), sum(own, 'passes')),
      rate: ratio(sum(own, 'accepted'), sum(own, 'drafted')),
      speedup: ratio(timed.reduce((all, row) => all + (row.disturbed ? Number(speedupOf(row)) * Number(row.seconds) : Number(row.plain_seconds)), 0), sum(timed, 'seconds')),
      modelled: ratio(known.reduce((all, row) => all + Number(row.modelled_speedup) * Number(row.modelled_seconds), 0), sum(known, 'modelled_seconds')),
      second: ratio(decoded(both, () => 1), decoded(both, (row) => Number(ofSecond.get(row)))),
    };
  }).sort((a, b) => worth(a) - worth(b));
}

const sum = (/** @type {Row[]} */ rows, /** @type {'tokens' | 'passes' | 'drafted' | 'accepted' | 'seconds' | 'modelled_seconds'} */ name) => rows.reduce((all, row) => all + Number(row[name]), 0);
/** Tokens after the first, each divided by the value of its row. @param {Row[]} rows @param {(row: Row) => number} value */
const decoded = (rows, value) => rows.reduce((all, row) => all + Math.max(0, row.tokens - 1) / value(row), 0);
const ratio = (/** @type {number} */ all, /** @type {number} */ by) => (by ? all / by : null);
const worth = (/** @type {Kind} */ { speedup, modelled, per_pass: tokens }) => speedup ?? modelled ?? tokens ?? 0;

/** The table of kinds. @param {Study} study @param {boolean} narrow whether the speeds come first */
export function kindTable(study, narrow) {
  const byT = study.machines.length > 0, second = !!secondOf(study), a = second ? 'A ' : '';
  const speeds = [...(measured(study) ? [[a + '×', 'measured']] : []), ...(byT ? [[a + '×', 'by T(n)']] : []), ...(second ? [byT ? ['B ×', 'replayed, by T(n)'] : ['B tok/pass', 'replayed']] : [])];
  const ordered = (/** @type {any[]} */ first, /** @type {any[]} */ counts, /** @type {any[]} */ fast) => [...first, ...(narrow ? [...fast, ...counts] : [...counts, ...fast])];
  const heads = ordered([['Kind', '']], [['Prompts', ''], ['Tokens', ''], ['Tok/pass', ''], ['Accepted', '']], speeds);
  const rows = kindsOf(study).map(({ kind, prompts, tokens, per_pass: tokensPerPass, rate, speedup, modelled, second: other }) => {
    const values = [...(measured(study) ? [speedup] : []), ...(byT ? [modelled] : []), ...(second && byT ? [other] : [])];
    return make('tr', { 'data-kind': kind }, ...ordered([make('th', { scope: 'row', class: 'c-prompt' }, oneLine(kind) || 'no category')], [number(prompts, 0), number(tokens, 0), number(tokensPerPass), percent(rate)].map((words) => make('td', {}, words)),
      [...values.map((value) => make('td', { class: paying(value) }, number(value))), ...(second && !byT ? [make('td', {}, number(other))] : [])]));
  });
  const head = heads.map(([title, unit], i) => make('th', { scope: 'col', class: i ? '' : 'c-prompt' }, title, ...(unit ? [make('small', {}, unit)] : [])));
  return make('table', { class: 'kinds', 'aria-label': 'Prompts by kind' }, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
}
