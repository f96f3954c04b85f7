// The prompts by their category: what each kind of request gets out of drafts, the worst first.

import { make } from './dom.js';
import { measured, number, oneLine, paying } from './words.js';

/** @import { Row, Study } from './study' */

/** @typedef {{ kind: string, prompts: number, tokens: number, per_pass: number | null, speedup: number | null, modelled: number | null }} Kind */

/** The sums of each category, as lookahead/study/rows.py sums all; nothing where there is one category. @param {Row[]} rows @returns {Kind[]} */
export function kindsOf(rows) {
  const kinds = new Map(rows.map(({ category }) => [category, rows.filter((row) => row.category === category)]));
  if (kinds.size < 2) return [];
  return [...kinds].map(([kind, own]) => {
    const timed = own.filter((row) => row.seconds && row.plain_seconds !== null), known = own.filter((row) => row.modelled_seconds && row.modelled_speedup !== null);
    return {
      kind, prompts: own.length, tokens: sum(own, 'tokens'),
      per_pass: ratio(own.reduce((all, row) => all + Math.max(0, row.tokens - 1), 0), sum(own, 'passes')),
      speedup: ratio(sum(timed, 'plain_seconds'), sum(timed, 'seconds')),
      modelled: ratio(known.reduce((all, row) => all + Number(row.modelled_speedup) * Number(row.modelled_seconds), 0), sum(known, 'modelled_seconds')),
    };
  }).sort((a, b) => worth(a) - worth(b));
}

const sum = (/** @type {Row[]} */ rows, /** @type {'tokens' | 'passes' | 'seconds' | 'plain_seconds' | 'modelled_seconds'} */ name) => rows.reduce((all, row) => all + Number(row[name]), 0);
const ratio = (/** @type {number} */ all, /** @type {number} */ by) => (by ? all / by : null);
const worth = (/** @type {Kind} */ { speedup, modelled, per_pass: tokens }) => speedup ?? modelled ?? tokens ?? 0;

/** The table of kinds. @param {Study} study */
export function kindTable(study) {
  const heads = [['Kind', ''], ['Prompts', ''], ['Tokens', ''], ['Tok/pass', ''], ...(measured(study) ? [['×', 'measured']] : []), ...(study.machines.length ? [['×', 'by T(n)']] : [])];
  const rows = kindsOf(study.rows).map(({ kind, prompts, tokens, per_pass: rate, speedup, modelled }) => {
    const speeds = [...(measured(study) ? [speedup] : []), ...(study.machines.length ? [modelled] : [])];
    return make('tr', { 'data-kind': kind }, make('th', { scope: 'row', class: 'c-prompt' }, oneLine(kind) || 'no category'), make('td', {}, number(prompts, 0)), make('td', {}, number(tokens, 0)), make('td', {}, number(rate)),
      ...speeds.map((value) => make('td', { class: paying(value) }, number(value))));
  });
  const head = heads.map(([title, unit], i) => make('th', { scope: 'col', class: i ? '' : 'c-prompt' }, title, ...(unit ? [make('small', {}, unit)] : [])));
  return make('table', { class: 'kinds', 'aria-label': 'Prompts by kind' }, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
}
