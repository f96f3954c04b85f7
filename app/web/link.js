// A link to what is on the stage: an example or a run of a study at a step, or a prompt to run; the pane to look at; what is hidden.

import { CAUSES } from '../../lookahead/report/words.js';

/** @import { Lost } from './types' */

/** Panes by the name that a link has for them; the values are those of `data-pane`. @type {Record<string, string>} */
export const LINKED = {
  text: 'written_text', tree: 'draft_tree', trie: 'live_trie', mask: 'attention_mask', numbers: 'numbers', race: 'race', 'what-if': 'what_if',
};
const MOST_TEXT = 1500; // characters of all texts together: addresses have about 2,000 everywhere
const OF_THE_STAGE = ['example', 'study', 'run', 'step', 'row', 'cause', 'lost', 'pane', 'prompt', 'document', 'expected'];

const whole = (/** @type {string | null} */ text) => (text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null);

/**
 * What an address asks for; a step or a pane that does not exist is left out.
 * @param {string} search @returns {{ example: string | null, study: string | null, run: string | null, step: number | null, lost: Lost | null, pane: string | null, hide: string[], present: boolean }}
 */
export function readLink(search) {
  const query = new URLSearchParams(search), pane = query.get('pane'), [step, row, lost] = ['step', 'row', 'lost'].map((name) => whole(query.get(name))), cause = query.get('cause') || '';
  const named = (/** @type {string} */ name) => (/^[\w.-]{1,100}$/.test(query.get(name) || '') ? query.get(name) : null);
  return {
    example: query.get('example'),
    study: named('study'),
    run: named('run'),
    step,
    lost: step !== null && row !== null && lost !== null && Object.hasOwn(CAUSES, cause) ? { step, row, cause, tokens: lost, study: named('study') } : null,
    pane: pane !== null && Object.hasOwn(LINKED, pane) ? pane : null,
    hide: (query.get('hide') || '').split(',').filter((word) => /^[\w-]+$/.test(word)),
    present: query.get('present') === '1',
  };
}

/**
 * The address of what is shown, from the present one, which has the settings. A text that is too long for an address is left out, the expected one first.
 * @param {string} address @param {{ example?: string | null, step?: number, pane?: string | null, document?: string, prompt?: string, expected?: string }} shown
 * @returns {{ address: string, missing: string }} the text that is not in the address; '' if all are
 */
export function linkTo(address, { example, step, pane, document = '', prompt = '', expected = '' }) {
  const url = new URL(address), query = url.searchParams;
  for (const name of OF_THE_STAGE) query.delete(name);
  if (example) {
    query.delete('preset');
    query.set('example', example);
    query.set('step', String(step || 0));
  }
  const asked = prompt.length + document.length, fits = asked <= MOST_TEXT, all = asked + expected.length <= MOST_TEXT;
  if (!example && fits && prompt) {
    query.delete('preset');
    query.set('prompt', prompt);
    if (document) query.set('document', document);
    if (expected && all) query.set('expected', expected);
  }
  if (pane) query.set('pane', pane);
  url.hash = '';
  return { address: url.toString(), missing: example || all ? '' : fits ? 'expected text' : 'prompt' };
}

/** The address without what only the example on the stage had in it. */
export function withoutExample(/** @type {string} */ address) {
  const url = new URL(address);
  for (const name of OF_THE_STAGE) url.searchParams.delete(name);
  return url.pathname + url.search + url.hash;
}
