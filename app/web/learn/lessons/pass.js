// One pass over n tokens against n passes over one, by the measured T(n).

import { ticksTo } from '../../../../lookahead/report/words.js';
import { make, put } from '../../lib/dom.js';
import { number } from '../../lib/text.js';
import { drawChart } from '../chart.js';
import { slider } from '../fields.js';
import { picture } from '../grams.js';

/** @import { Costs, Lesson } from '../types' */

const ENOUGH = 16;
const MOST_BLOCKS = 64;

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const costs = await /** @type {ReturnType<typeof lesson.need<Costs>>} */ (lesson.need('costs'));
  const ms = costs.seconds.map((seconds) => 1000 * seconds), size = sizeOf(costs.bytes);
  const width = slider('Tokens', { min: 1, max: ms.length, value: 1 }, show);
  const single = bar('One by one'), together = bar('In one pass');
  const says = make('p', { class: 'says', 'data-says': '', role: 'status' }), svg = picture('Time of a pass by its number of tokens');
  const chart = make('div', { class: 'well', 'data-chart': '' }, svg);
  const about = make('p', { class: 'hint', 'data-measured': costs.measured ? 'here' : 'recording' },
    'T(n), the time of one pass over n tokens, ' + (costs.measured ? 'measured on this machine when the page started: ' : 'from a recorded run, not measured on this machine: ') + costs.model + '.');
  box.append(make('div', { class: 'controls' }, width.element), make('div', { class: 'well bars' }, single.row, together.row, says), chart, about);

  function show(/** @type {number} */ n) {
    const apart = n * ms[0], once = ms[n - 1], longest = Math.max(apart, once);
    single.set(apart / longest, n, number(apart, 0) + ' ms', n + ' × ' + size + ' read');
    together.set(once / longest, 1, number(once, 0) + ' ms', '1 × ' + size + ' read');
    const times = apart / once;
    put(says, n === 1 ? 'One token: one reading of all ' + size + ' of weights.'
      : n + ' tokens: ' + (times >= 1.05 ? number(times, 1) + ' times faster in one pass than one by one.' : times > 0.95 ? 'about the same in one pass as one by one, on this machine.' : 'slower in one pass than one by one, on this machine.'));
    drawCurve(n);
    if (n >= ENOUGH) lesson.done(n + ' tokens take ' + number(apart, 0) + ' ms one by one, and ' + number(once, 0) + ' ms in one pass.');
  }

  function drawCurve(/** @type {number} */ n) {
    const most = 1.15 * Math.max(...ms, 4 * ms[0]), last = ms.length;
    const frame = { width: Math.max(260, chart.clientWidth - 24), height: 280, xs: [1, 16, 32, 48, 64].filter((x) => x <= last), ys: ticksTo(most, 4, Math.ceil), xName: 'tokens in the pass (n)', yName: 'milliseconds' };
    const top = frame.ys[frame.ys.length - 1], apart = Math.min(last, top / ms[0]);
    drawChart(svg, frame, [
      { kind: 'dashed', points: [[1, ms[0]], [apart, apart * ms[0]]] },
      { kind: 'solid', points: ms.map((value, i) => [i + 1, value]) },
    ], [{ x: n, y: ms[n - 1], name: '', kind: 'a', says: number(ms[n - 1], 1) + ' ms for ' + n + ' tokens' }]);
  }

  show(1);
  new ResizeObserver(() => drawCurve(Number(width.field.value))).observe(chart);
  chart.append(make('p', { class: 'legend' }, make('span', { class: 'l-solid' }, 'one pass, T(n)'), make('span', { class: 'l-dashed' }, 'one by one, n × T(1)')));
}

/** A bar of a block per pass. */
function bar(/** @type {string} */ name) {
  const blocks = make('span', { class: 'blocks' }), time = make('b', {}), reads = make('span', { class: 'fact' });
  const row = make('div', { class: 'bar-row', 'data-bar': name }, make('span', {}, name), make('span', { class: 'bar-room' }, blocks), make('span', { class: 'bar-says' }, time, ' ', reads));
  return {
    row,
    /** @param {number} share @param {number} passes @param {string} words @param {string} read */
    set(share, passes, words, read) {
      blocks.style.width = (100 * share).toFixed(1) + '%';
      blocks.replaceChildren(...Array.from({ length: Math.min(passes, MOST_BLOCKS) }, () => make('i')));
      put(time, words);
      put(reads, read);
    },
  };
}

const sizeOf = (/** @type {number} */ bytes) => (bytes >= 1e9 ? number(bytes / 1e9, 1) + ' GB' : number(bytes / 1e6, 0) + ' MB');
