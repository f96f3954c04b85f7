// A whole study: the verdict as a sentence, what to change, the prompts, whether it pays, where acceptance is lost.

import { mountBars, gainText } from './bars.js';
import { mountBreakEven } from './break_even.js';
import { make, press } from './dom.js';
import { mountHeatMap, mountRanking, mountViews } from './grid.js';
import { mountTable } from './table.js';
import { number, oneLine, plural, speedupOf, times } from './words.js';

/** @import { Around, Study } from './study' */

const MOST_ADVICE = 3;

/** Fills a box with the pictures of a study. @param {HTMLElement} box @param {Around} around */
export function mountStudy(box, around) {
  box.classList.add('study');
  const say = make('div', { class: 'say' }), pane = (/** @type {string} */ name) => make('section', { class: 'pane ' + name, 'data-pane': name });
  const [rows, pay, lost] = ['rows', 'pay', 'lost'].map(pane);
  box.append(say, rows, pay, lost);
  const views = mountViews(pay, {
    even: ['Break-even', mountBreakEven],
    grid: ['Grid', (place) => mountHeatMap(place, around)],
    ranking: ['All settings', (place) => mountRanking(place, around)],
  });
  const pictures = [mountTable(rows, around), views, mountBars(lost, around)];
  return {
    pay: views.tools,
    show(/** @type {Study} */ study) {
      say.replaceChildren(...saying(study, around));
      for (const picture of pictures) picture.show(study);
    },
  };
}

/** @param {Study} study @param {Around} around */
function saying(study, around) {
  const { pays } = study.verdict, text = study.verdict.text || soFar(study);
  return [
    make('p', { class: 'sentence ' + (pays === null ? '' : pays ? 'right' : 'wrong'), 'data-verdict': '' }, ...emphasised(text)),
    adviceOf(study, around),
    make('div', { class: 'facts' }, make('p', { class: 'fact', 'data-facts': '' }, factsOf(study)), ...notesOf(study)),
  ];
}

/** What can be said before there is a verdict. @param {Study} study */
function soFar({ total }) {
  const speedup = speedupOf(total);
  return 'So far: ' + (speedup === null ? number(total.tokens_per_pass) + ' tokens per pass.' : times(speedup) + ' ' + (speedup < 1 ? 'as fast as' : 'faster than') + ' plain decoding.');
}

/** The text with its speedups in bold. */
const emphasised = (/** @type {string} */ text) => text.split(/(\d+(?:\.\d+)?(?:×|x)(?: (?:faster|slower|as fast))?)/).map((part, i) => (i % 2 ? make('b', {}, part) : part));

/** @param {Study} study */
function factsOf({ title, model, sampling, verdict, total, rows, created }) {
  const named = model ? [String(model.name ?? ''), String(model.dtype ?? '')].filter(Boolean).join(' ') : 'no model (recorded outputs)';
  const drawn = Number(sampling.temperature) > 0 ? 'temperature ' + sampling.temperature : '';
  const range = verdict.low !== null && verdict.high !== null ? '90 % interval ' + times(verdict.low) + ' to ' + times(verdict.high) : '';
  return [title, named, drawn, plural(rows.length, 'prompt') + ', ' + number(total.tokens, 0) + ' tokens in ' + plural(total.passes, 'pass', 'passes'), range, created.slice(0, 16).replace('T', ' ')].filter(Boolean).map(oneLine).join(' · ');
}

/** @param {Study} study */
function notesOf({ notes }) {
  return notes.length ? [make('details', { class: 'notes' }, make('summary', {}, plural(notes.length, 'note')), make('ul', {}, ...notes.map((note) => make('li', {}, note))))] : [];
}

/** @param {Study} study @param {Around} around */
function adviceOf({ advice }, around) {
  const items = advice.slice(0, MOST_ADVICE).map((one) => {
    const gain = gainText(one), given = Object.keys(one.config).length > 0;
    return make('li', {}, make('span', {}, one.text, ...(gain ? [' ', make('b', { class: 'gain' }, gain)] : []), ...(given && around.use ? [' ', press('Try as B', () => around.use?.(one.config), { class: 'link', 'data-use': '' })] : [])));
  });
  return make('ol', { class: 'advice', 'aria-label': 'What to change' }, ...items);
}
