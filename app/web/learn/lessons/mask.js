// The mask of a recorded step as the model gets it, and the causal one in its place.

import { draw, make, put } from '../../lib/dom.js';
import { ancestors, hasDraft } from '../../lib/runs.js';
import { label, plural } from '../../lib/text.js';
import { mount as attention_mask } from '../../panes/attention_mask.js';
import { mount as draft_tree } from '../../panes/draft_tree.js';
import { choice } from '../fields.js';
import { around, panesIn, recorded, withStep } from '../recorded.js';

/** @import { DraftStep } from '../../types' @import { Lesson } from '../types' */

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const { run: whole, step: at, about } = await recorded(lesson), recordedStep = whole.steps[at];
  if (!hasDraft(recordedStep)) return;
  const step = unverified(recordedStep), { draft } = step, run = withStep(whole, step), given = around(whole), touched = matchMedia('(hover: none)').matches;
  given.show(recordedStep);
  let mode = 'tree';
  /** @type {number | null} */ let node = null;
  const says = make('p', { class: 'says', role: 'status', 'data-says': '' }), positions = make('ol', { class: 'positions', 'data-positions': '' });
  const left = make('div', {}), right = make('div', {});
  box.append(
    make('div', { class: 'controls' }, choice('Mask', { tree: 'tree mask', causal: 'causal mask' }, mode, (value) => { mode = value; show(); })),
    left, make('div', { class: 'halves' }, right, make('div', { class: 'beside-mask' }, says, legend(step), make('p', { class: 'fact' }, 'Tokens with their positions; the same one underlined'), positions)), given.element, make('p', { class: 'hint' }, about),
  );
  const context = {
    point(/** @type {number | null} */ to) { if (to !== null && to !== node) { node = to; show(); } },
    pin(/** @type {number | null} */ to) { node = to; show(); seen(); },
  };
  const drawTree = panesIn(left, { draft_tree }, context, lesson), drawMask = panesIn(right, { attention_mask }, context, lesson, markStrangers);

  /** The guesses of other branches that a row of the causal mask sees. */
  const strangers = (/** @type {number} */ row) => {
    const own = ancestors(draft.parent, row);
    return draft.parent.map((_, i) => i).filter((i) => i < row && !own.includes(i));
  };

  function show() {
    drawTree({ run, step: at, node });
    drawMask({ run: withStep(run, allSeen(mode === 'tree' ? step : causalOf(step))), step: at, node });
    const depths = draft.parent.map((_, i) => ancestors(draft.parent, i).length - 1);
    positions.replaceChildren(...draft.text.map((text, i) => {
      const position = step.context - 1 + (mode === 'tree' ? depths[i] : i), twin = mode === 'tree' && depths.filter((depth) => depth === depths[i]).length > 1;
      return make('li', { class: (i === node ? 'lit ' : '') + (twin ? 'twin' : '') }, label(text, 10), make('b', {}, String(position)));
    }));
    tell();
  }

  /** The cells of the causal mask that the tree mask has not. */
  function markStrangers() {
    const svg = right.querySelector('svg'), frame = svg?.querySelector('.frame'), count = draft.parent.length;
    svg?.querySelector('.m-stranger')?.remove();
    markRoot(svg?.querySelector('text'));
    box.dataset.mask = mode;
    if (!svg || !frame || mode === 'tree') return;
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(frame.getAttribute(name)));
    const wide = width / count, high = height / count;
    const cells = draft.parent.flatMap((_, row) => strangers(row).map((at) => 'M' + (x + at * wide) + ' ' + (y + row * high) + 'h' + (wide - 3) + 'v' + (high - 3) + 'h' + (3 - wide) + 'z'));
    svg.insertBefore(draw('path', { class: 'm-stranger', d: cells.join('') }), svg.querySelector('.band'));
  }

  function tell() {
    if (node === null) return put(says, (touched ? 'Tap' : 'Point at') + ' a token, or a row of the mask.');
    const name = '“' + label(draft.text[node]) + '”', others = mode === 'causal' ? strangers(node) : [];
    if (others.length) return put(says, name + ' would also read ' + others.slice(0, 4).map((i) => '“' + label(draft.text[i]) + '”').join(', ') + (others.length > 4 ? ' …' : '') + ': guesses of other branches.');
    put(says, name + ' sees the text so far' + (node ? ', ' + ancestors(draft.parent, node).slice(0, -1).map((i) => '“' + label(draft.text[i]) + '”').join(', ') : '') + ' and itself' + (mode === 'causal' ? '. Here the causal mask is right: nothing of another branch is before it.' : '.'));
  }

  function seen() {
    if (mode === 'causal' && node !== null && strangers(node).length) {
      lesson.done('With a causal mask “' + label(draft.text[node]) + '” would be judged after “' + label(draft.text[strangers(node)[0]]) + '”, which is not part of its branch.');
    }
  }

  show();
}

/** The step before the model's verdict: that is the next chapter. @param {DraftStep} step @returns {DraftStep} */
const unverified = (step) => ({ ...step, path: [], emitted: [], draft: { ...step.draft, status: 'r' + 'u'.repeat(step.draft.parent.length - 1), wants: step.draft.wants.map(() => null) } });

/** The same with every cell of the mask drawn alike. @param {DraftStep} step @returns {DraftStep} */
const allSeen = (step) => ({ ...step, draft: { ...step.draft, status: 'r'.repeat(step.draft.parent.length) } });

/** Gives the root's name in the mask the colour that the root has in the tree. */
function markRoot(/** @type {SVGTextElement | null | undefined} */ name) {
  if (!name || name.previousElementSibling?.matches('.root-name')) return;
  const { x, y, width, height } = name.getBBox();
  name.before(draw('rect', { class: 'root-name', x: x - 3, y, width: width + 6, height, rx: 3 }));
}

/** What the colours of the mask mean. */
const legend = (/** @type {DraftStep} */ step) => make('p', { class: 'legend mask-legend' },
  make('span', { class: 'k-prefix' }, 'the ' + plural(step.context - 1, 'token') + ' before the root, seen by every row'), make('span', { class: 'k-seen' }, 'sees'), make('span', { class: 'k-stranger' }, 'sees, and should not: another branch'));

/** The step as if its tokens were one text: each the child of the one before. @param {DraftStep} step @returns {DraftStep} */
const causalOf = (step) => ({ ...step, draft: { ...step.draft, parent: step.draft.parent.map((_, i) => i - 1) } });
