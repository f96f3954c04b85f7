// Tokens per pass against what a pass costs: recorded runs and a typed text, replayed at any width.

import { asker } from '../../lib/asker.js';
import { make, put } from '../../lib/dom.js';
import { number, percent } from '../../lib/text.js';
import { drawChart } from '../chart.js';
import { choice, slider, textField } from '../fields.js';
import { picture } from '../grams.js';

/** @import { Costs, Lesson, PayRow, Pays } from '../types' */

const TEXT = 'Nobody had seen the old boat for years, and then one morning it was back in the harbour, painted green, with a small brown dog asleep on its deck. Who had brought it? My aunt knew, I think, but she only smiled.';
const LETTERS = 'ABCDEFG';
const ALIKE = 0.05; // of the time of plain decoding: about the same

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const costs = await /** @type {ReturnType<typeof lesson.need<Costs>>} */ (lesson.need('costs'));
  let width = 8, adaptive = false, warm = false;
  /** The first row that was slower at a fixed width. @type {{ row: PayRow, width: number } | null} */ let lost = null;
  /** @type {Pays | null} */ let drawn = null;
  const field = textField('Your text (A), replayed word by word', TEXT, look, { rows: 2, maxlength: 1500, 'data-text': '' });
  const wide = slider('Width', { min: 2, max: Math.min(64, costs.seconds.length), value: width }, (value) => { width = value; look(); }, (value) => (adaptive ? 'up to ' : '') + value + ' tokens');
  const svg = picture('Tokens per pass, by width'), chart = make('div', { class: 'well', 'data-chart': '' }, svg);
  const rows = make('tbody', {}), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const names = ['', 'Text', 'Tokens per pass', 'Needed', 'Times faster'].map((name) => make('th', { scope: 'col' }, name));
  box.append(
    make('div', { class: 'controls' }, wide.element,
      choice('Budget', { fixed: 'fixed', adaptive: 'adaptive' }, 'fixed', (value) => { adaptive = value === 'adaptive'; wide.set(width); look(); }),
      choice('Trie', { cold: 'cold', warm: 'warm' }, 'cold', (value) => { warm = value === 'warm'; look(); })),
    chart, make('table', {}, make('caption', { class: 'unseen' }, 'What each text would take'), make('thead', {}, make('tr', {}, ...names)), rows), says, field.element,
    make('p', { class: 'hint' }, 'Real drafting and verification, replayed without the model. Warm: the Trie has read the same text once before. Times by T(n), ' + (costs.measured ? 'measured on this machine.' : 'from a recorded run.') + busy(costs.seconds)),
  );

  /** @type {ReturnType<typeof asker<{ text: string, width: number, adaptive: boolean, warm: boolean }, Pays>>} */
  const ask = asker((question) => lesson.ask('pays', question), (answer, question) => {
    if (answer.error) return put(says, answer.error);
    drawn = answer;
    drawNow();
    rows.replaceChildren(...answer.rows.map(rowOf));
    tell(answer, question);
    rows.dataset.shown = [question.width, question.adaptive ? 'adaptive' : 'fixed', question.warm ? 'warm' : 'cold'].join(' ');
  });

  function look() { ask({ text: field.field.value, width, adaptive, warm }); }

  function tell(/** @type {Pays} */ { rows: all }, /** @type {{ adaptive: boolean, width: number }} */ { adaptive: adapts, width: asked }) {
    const slower = all.filter((row) => kindOf(row) === 'slower');
    if (!adapts && slower.length) lost = { row: slower[0], width: asked };
    put(says, slower.length ? 'Slower than plain decoding: ' + slower.map(({ name }) => name).join(', ') + '.' : 'No text is slower than plain decoding by more than ' + percent(ALIKE) + '.');
    const now = lost && all.find(({ name }) => name === lost?.row.name);
    if (adapts && lost && now && !slower.length) lesson.done('“' + now.name + '” is ' + number(lost.row.times_faster, 2) + ' times as fast as plain decoding at a fixed width of ' + lost.width + ', and ' + number(now.times_faster, 2) + ' times at an adaptive one' + (kindOf(now) === 'faster' ? '.' : ': it loses next to nothing.'));
  }

  function drawNow() {
    if (!drawn) return;
    const needed = costs.seconds.map((seconds) => seconds / costs.seconds[0]), last = costs.seconds.length;
    const most = Math.max(8, ...needed, ...drawn.rows.map((row) => row.per_pass));
    const ys = [1, 2, 4, 8, 16, 32, 64].filter((tick) => tick < 2 * most), xs = [1, 2, 4, 8, 16, 32, 64].filter((tick) => tick <= last);
    drawChart(svg, { width: Math.max(260, chart.clientWidth - 24), height: 250, xs, ys, xName: 'tokens in the pass (n)', yName: 'tokens per pass', log: true },
      [{ kind: 'solid', points: needed.map((value, i) => [i + 1, Math.max(1, value)]) }],
      drawn.rows.map((row, i) => ({ x: widthThatNeeds(needed, row), y: row.per_pass, name: LETTERS[i], kind: kindOf(row), says: row.name + ': ' + number(row.per_pass, 2) + ' tokens per pass, ' + number(row.needed, 2) + ' needed' })));
  }

  new ResizeObserver(drawNow).observe(chart);
  chart.append(make('p', { class: 'legend' }, make('span', { class: 'l-solid' }, 'needed to pay, T(n) / T(1)'), make('span', { class: 't-accepted' }, '● faster'), make('span', {}, '● about the same, within ' + percent(ALIKE)), make('span', { class: 't-rejected' }, '◌ slower'),
    make('span', { 'data-place': '' }, 'A dot is at the n whose T(n) is the mean time of its passes: above the line is faster.')));
  look();
}

/** A warning where a pass over two tokens took longer than two passes, which a quiet machine does not do. */
const busy = (/** @type {number[]} */ [one, two]) => (two > 2 * one ? ' But T(2) is ' + number(two / one, 1) + ' times T(1): the machine was busy. Measure again in the Lab, or compare on Watch.' : '');

/** What is said of a row, and the class of its dot and of its line in the table. */
const kindOf = (/** @type {PayRow} */ { times_faster }) => (times_faster < 1 - ALIKE ? 'slower' : times_faster < 1 + ALIKE ? 'same' : 'faster');

/**
 * The n at which the drawn line is as high as a row needs, nearest to its mean width: there a row that is faster lies
 * above the line, whatever widths its passes had. (T at their mean width may be more or less than their mean T.)
 * @param {number[]} line T(n) / T(1) of n = 1, 2, ... @param {PayRow} row
 */
function widthThatNeeds(line, { needed, width }) {
  const [need, ...ys] = [needed, ...line].map((value) => Math.log(Math.max(1, value))); // as it is drawn, on logarithmic scales
  const places = ys.flatMap((y, i) => {
    if (y === need || i + 1 === ys.length) return y === need ? [i + 1] : [];
    const share = (need - y) / (ys[i + 1] - y);
    return share > 0 && share < 1 ? [(i + 1) * ((i + 2) / (i + 1)) ** share] : [];
  });
  return places.reduce((best, place) => (Math.abs(place - width) < Math.abs(best - width) ? place : best), places[0] ?? width);
}

const rowOf = (/** @type {PayRow} */ row, /** @type {number} */ i) => make('tr', { 'data-row': i, class: kindOf(row) },
  make('th', { scope: 'row' }, LETTERS[i]), make('td', {}, row.name), make('td', {}, number(row.per_pass, 2)), make('td', {}, number(row.needed, 2)),
  make('td', {}, number(row.times_faster, 2) + { slower: ' (slower)', same: ' (about the same)', faster: '' }[kindOf(row)]));
