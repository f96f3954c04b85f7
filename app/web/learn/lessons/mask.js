// The mask of a recorded step as the model gets it, and the causal one in its place.

import { make, put } from '../../lib/dom.js';
import { ancestors, hasDraft } from '../../lib/runs.js';
import { label } from '../../lib/text.js';
import { mount as attention_mask } from '../../panes/attention_mask.js';
import { mount as draft_tree } from '../../panes/draft_tree.js';
import { choice } from '../fields.js';
import { panesIn, recorded, withStep } from '../recorded.js';

/** @import { DraftStep } from '../../types' @import { Lesson } from '../types' */

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const found = await recorded(lesson);
  if ('error' in found) return void box.append(make('p', { class: 'hint' }, found.error));
  const { run, step: at, about } = found, step = run.steps[at];
  if (!hasDraft(step)) return;
  const { draft } = step, causal = causalOf(step);
  let mode = 'tree';
  /** @type {number | null} */ let node = null;
  const says = make('p', { class: 'says', role: 'status', 'data-says': '' }), positions = make('ol', { class: 'positions', 'data-positions': '' });
  const left = make('div', {}), right = make('div', {});
  box.append(
    make('div', { class: 'controls' }, choice('Mask', { tree: 'tree mask', causal: 'causal mask' }, mode, (value) => { mode = value; show(); })),
    left, make('div', { class: 'halves' }, right, make('div', { class: 'beside-mask' }, says, make('p', { class: 'fact' }, 'Tokens with their positions; the same one underlined'), positions)), make('p', { class: 'hint' }, about),
  );
  const context = {
    point(/** @type {number | null} */ to) { if (to !== null && to !== node) { node = to; show(); } },
    pin(/** @type {number | null} */ to) { node = to; show(); seen(); },
  };
  const drawTree = panesIn(left, { draft_tree }, context, lesson), drawMask = panesIn(right, { attention_mask }, context, lesson);

  /** The guesses of other branches that a row of the causal mask sees. */
  const strangers = (/** @type {number} */ row) => {
    const own = ancestors(draft.parent, row);
    return draft.parent.map((_, i) => i).filter((i) => i < row && !own.includes(i));
  };

  function show() {
    drawTree({ run, step: at, node });
    drawMask({ run: mode === 'tree' ? run : withStep(run, causal), step: at, node });
    const depths = draft.parent.map((_, i) => ancestors(draft.parent, i).length - 1);
    positions.replaceChildren(...draft.text.map((text, i) => {
      const position = step.context - 1 + (mode === 'tree' ? depths[i] : i), twin = mode === 'tree' && depths.filter((depth) => depth === depths[i]).length > 1;
      return make('li', { class: (i === node ? 'lit ' : '') + (twin ? 'twin' : '') }, label(text, 10), make('b', {}, String(position)));
    }));
    tell();
  }

  function tell() {
    if (node === null) return put(says, 'Point at a token, or at a row of the mask.');
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

/** The step as if its tokens were one text: each the child of the one before. @param {DraftStep} step @returns {DraftStep} */
const causalOf = (step) => ({ ...step, draft: { ...step.draft, parent: step.draft.parent.map((_, i) => i - 1) } });
