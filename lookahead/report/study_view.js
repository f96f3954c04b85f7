// A whole study: the verdict as a sentence, what to change, the prompts, whether it pays, where acceptance is lost.

import { mountBars, signed } from './bars.js';
import { mountBreakEven } from './break_even.js';
import { make, press } from './dom.js';
import { mountHeatMap, mountRanking, mountViews } from './grid.js';
import { mountTable } from './table.js';
import { changes, number, oneLine, plural, sameSetting, settingOf, times } from './words.js';

/** @import { Advice, Around, Study } from './study' */

const MOST_ADVICE = 2;

/** Fills a box with the pictures of a study. @param {HTMLElement} box @param {Around} around */
export function mountStudy(box, around) {
  box.classList.add('study');
  const say = make('div', { class: 'say' }), pane = (/** @type {string} */ name) => make('section', { class: 'pane ' + name, 'data-pane': name });
  const [rows, pay, lost] = ['rows', 'pay', 'lost'].map(pane);
  box.append(say, rows, pay, lost);
  const views = mountViews(pay, {
    even: ['Break-even', (place) => mountBreakEven(place, around)],
    grid: ['Grid', (place) => mountHeatMap(place, around)],
    ranking: ['All settings', (place) => mountRanking(place, around)],
  });
  const pictures = [mountTable(rows, around), views, mountBars(lost, around)];
  return {
    pay: views.tools,
    /** @param {Study} study @param {number} [of] how many prompts it will have, while it runs @param {boolean} [sweep] whether other settings are tried then */
    show(study, of = 0, sweep = false) {
      say.replaceChildren(...saying(study, around, of));
      for (const picture of pictures) picture.show(study, sweep && of > 0);
    },
  };
}

/** @param {Study} study @param {Around} around @param {number} of */
function saying(study, around, of) {
  const early = study.rows.length < of, pays = early ? null : study.verdict.pays, after = early ? null : study.stopped_after ?? null;
  const far = early ? 'So far (' + number(study.rows.length, 0) + ' of ' + number(of, 0) + '): ' : after === null ? '' : 'Stopped after ' + number(after, 0) + ' of ' + plural(study.prompts ?? after, 'prompt') + '. ';
  const text = far + study.verdict.text;
  return [
    make('p', { class: 'sentence ' + (pays === null ? '' : pays ? 'right' : 'wrong'), 'data-verdict': '' }, ...emphasised(text)),
    adviceOf(study, around),
    make('div', { class: 'facts' }, make('p', { class: 'fact', 'data-facts': '' }, factsOf(study)), ...notesOf(study, around)),
  ];
}

/** The text with its percent signs beside their numbers. */
const together = (/** @type {string} */ text) => text.replace(/(\d) %/g, '$1\u00a0%');

/** How B compares, if there is one; then what else would win something, or that there is nothing. @param {Study} study */
export function shownAdvice({ advice, variants }) {
  const second = variants.find(({ label, peer }) => !peer && label === 'B'), isSecond = (/** @type {Advice} */ one) => !!second && changes(one) && sameSetting(one, second);
  const compared = advice.filter(({ cause }) => cause === 'B'), others = advice.filter((one) => one.cause !== 'B' && !isSecond(one));
  const wins = others.filter(({ gain }) => gain !== null);
  return [...compared, ...(wins.length ? wins : others.slice(0, 1)).slice(0, MOST_ADVICE)];
}

/** The text with its speedups in bold. */
const emphasised = (/** @type {string} */ text) => together(text).split(/(\d+(?:\.\d+)?(?:×|x| times)(?: (?:faster|slower|as fast|the speed))?)/).map((part, i) => (i % 2 ? make('b', {}, part) : part));

/** @param {Study} study */
function factsOf({ title, model, sampling, verdict, total, rows, created, max_new_tokens: limit }) {
  const named = model ? [String(model.name ?? ''), String(model.dtype ?? '')].filter(Boolean).join(' ') : 'no model (recorded outputs)';
  const drawn = Number(sampling.temperature) > 0 ? 'temperature ' + sampling.temperature : '';
  const disturbed = rows.filter((row) => row.disturbed).length;
  const range = verdict.low !== null && verdict.high !== null ? '90 % interval ' + times(verdict.low) + ' to ' + times(verdict.high) : '';
  const most = limit ? 'at most ' + plural(limit, 'new token') : '';
  return [title, named, drawn, most, plural(rows.length, 'prompt') + ', ' + number(total.tokens, 0) + ' tokens in ' + plural(total.passes, 'pass', 'passes'), range, disturbed ? '* timing disturbed: ' + plural(disturbed, 'prompt') + ', by T(n)' : '', created.slice(0, 16).replace('T', ' ')].filter(Boolean).map(oneLine).join(' · ');
}

/** @param {Study} study @param {Around} around */
function notesOf(study, around) {
  const { notes, advice, verdict } = study, shown = shownAdvice(study), reason = around.reasons[verdict.reason], why = reason ? ['Reason of the verdict: ' + verdict.reason + ' (' + reason.when + '). ' + reason.then] : [];
  const all = [...why, ...advice.filter((one) => !shown.includes(one)).map(({ text }) => text), ...notes].filter(Boolean);
  return all.length ? [make('details', { class: 'notes' }, make('summary', {}, plural(all.length, 'note')), make('ul', {}, ...all.map((note) => make('li', {}, note))))] : [];
}

/** @param {Study} study @param {Around} around */
function adviceOf(study, around) {
  const items = shownAdvice(study).map((one) => {
    const gain = one.gain === null ? [] : [make('b', { class: 'gain' }, signed(one.gain) + ' %'), ' '];
    return make('li', {}, make('span', {}, ...gain, together(one.text), ...(changes(one) && around.use ? [' ', press('Try as B', () => around.use?.(settingOf(one)), { class: 'link', 'data-use': '' })] : [])));
  });
  return make('ol', { class: 'advice', 'aria-label': 'What to change' }, ...items);
}
