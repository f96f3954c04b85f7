// The draft tree of a step: the accepted path on top, the model's own token at its end, and what is known of a node.

import { all, button, draw, fill, focusIn, moveAmong, on, one, pointable, presses, put, save, set, within } from '../lib/dom.js';
import { SIGN, STATUS, ancestors, draftsOff, hasDraft, ownToken } from '../lib/runs.js';
import { cells, label, plural } from '../lib/text.js';
import { drawTree } from '../lib/tree_picture.js';
import { describe, mount as mountDetails } from './node_details.js';

/** @import { DraftStep, Mount, Run, State, Step } from '../types' */

const MARKUP = `
<div class="head">
  <h2>Draft tree</h2>
  <span class="fact" data-tree-fact></span>
  <span class="grow"></span>
  <button type="button" class="link" data-svg title="This picture as a file">Download SVG</button>
</div>
<div class="beside">
  <div class="canvas" data-tree-box><p class="hint" data-tree-none></p><svg data-tree role="group" aria-label="Draft tree of this step; up and down move among its nodes"></svg></div>
  <div data-detail></div>
</div>
<ul class="legend under counts" aria-label="How the nodes of this step ended">
  <li class="t-accepted">✓ <b data-count="accepted">0</b> accepted</li>
  <li class="t-rejected">✗ <b data-count="rejected">0</b> rejected (the model chose another token)</li>
  <li class="t-unchecked">○ <b data-count="unchecked">0</b> not reached (an earlier token in the branch was rejected)</li>
  <li class="t-bonus">+ <b data-count="bonus">0</b> <span class="dots">written by the model (bonus token)</span></li>
</ul>
<p class="hint">␣ space, ⏎ line break, ∅ no visible text (e.g. “next letter is a capital”).</p>`;

const CELL = 7.25;
const STYLE = { gap: 24, height: 31, box: 24, radius: 6, x: 9, y: 16 };
const LEAST = 226, MOST = 360; // height of the pane
const MARGIN = 12; // around the picture in a file
const STYLES = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight'];
const KINDS = ['unchecked', 'rejected', 'bonus', 'accepted'];
/** @type {Record<string, number>} */ const RANK = { accepted: 0, bonus: 1, rejected: 2, unchecked: 3, root: 0 };

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'draft-tree');
  /** @type {SVGElement} */ const svg = one(box, '[data-tree]');
  const place = one(box, '[data-tree-box]'), fact = one(box, '[data-tree-fact]'), none = one(box, '[data-tree-none]'), download = button(box, '[data-svg]');
  const details = mountDetails(one(box, '[data-detail]'), context), counts = all(box, '[data-count]');
  /** @type {State | null} */ let drawn = null;
  let room = 0, tallest = 0; // the pane grows with the trees of a run and never jumps back

  pointable(place, 'data-node', context);
  on(place, 'keydown', (event) => {
    moveAmong(all(svg, '[data-node]'), event, (node) => focusIn(svg, node));
    const node = within(event, '[data-node]');
    if (node && presses(event)) { event.preventDefault(); context.pin?.(Number(node.dataset.node)); }
    if (event.key === 'Escape') context.pin?.(null);
  });
  on(download, 'click', () => { if (drawn) saveTree(svg, place, drawn.step); });

  function drawStep(/** @type {Step | undefined} */ step, /** @type {Run} */ run) {
    const kinds = [...step?.draft?.status || ''].map((letter) => STATUS[letter]).concat(step && ownToken(step) ? 'bonus' : []);
    for (const count of counts) put(count, String(kinds.filter((kind) => kind === count.dataset.count).length));
    put(none, step && !step.draft ? 'Step 0 reads the prompt in one pass; the first draft comes in the next step.' : '');
    put(fact, hasDraft(step) ? plural(step.draft.parent.length, 'token') + ' in one pass, ' + matched(step, run) : '');
    download.disabled = !hasDraft(step);
    if (!hasDraft(step)) {
      svg.replaceChildren();
      set(svg, { width: 0, height: 0 });
      return;
    }
    const had = all(svg, '[data-node]').find((node) => node === document.activeElement)?.dataset.node, nodes = nodesOf(step);
    room ||= place.clientWidth - 26;
    const height = drawTree(svg, nodes, { ...STYLE, room }, KINDS, (i) => RANK[nodes[i].kind], (i) => RANK[nodes[i].kind] < 2);
    if (height > tallest) {
      tallest = height;
      box.style.setProperty('--tall', Math.round(Math.min(MOST, Math.max(LEAST, tallest + 28))) + 'px');
    }
    if (had) focusIn(svg, nodeAt(svg, Math.min(Number(had), step.draft.parent.length - 1)), true);
  }

  return {
    draw(state) {
      const before = drawn, step = state.run.steps[state.step];
      drawn = state;
      if (before?.run !== state.run) tallest = 0;
      if (before?.run !== state.run || before.run.steps[before.step] !== step || !room) drawStep(step, state.run);
      mark(svg, step, state.node ?? null);
      details.draw(state);
    },
    resize() { room = tallest = 0; },
  };
}

/** The boxes of a step; the model's own token is one more at the end of the path. */
function nodesOf(/** @type {DraftStep} */ step) {
  const draft = step.draft, own = ownToken(step);
  const nodes = draft.parent.map((parent, i) => {
    const letter = draft.status[i], kind = STATUS[letter], wanted = letter === 'x' ? draft.wants[parent] : null;
    const text = SIGN[letter] + label(draft.text[i]), small = wanted === null ? '' : '  ≠ ' + label(wanted, 10);
    const says = { role: 'button', tabindex: i ? -1 : 0, 'aria-label': text + small + ': ' + describe(step, i) };
    return nodeOf(parent, kind, text, small, { 'data-node': i, 'data-status': kind, ...says });
  });
  if (own) nodes.push(nodeOf(step.path.at(-1) ?? 0, 'bonus', '+ ' + label(own[1]), '', { role: 'img', 'aria-label': 'The model’s own token' }));
  return nodes;
}

/** @param {number} parent @param {string} kind @param {string} text @param {string} behind @param {Record<string, any>} attributes */
function nodeOf(parent, kind, text, behind, attributes) {
  /** @type {[string][]} */ const small = behind ? [[behind]] : [];
  const width = Math.round(cells(text) * CELL + cells(behind) * CELL * 0.92 + 18);
  return { parent, kind, text, small, width, attributes: { class: 'n-' + kind, ...attributes } };
}

function matched(/** @type {DraftStep} */ step, /** @type {Run} */ run) {
  if (step.draft.parent.length < 2 && (run.method === 'plain' || draftsOff(run) || !step.match)) return 'no draft';
  if (step.draft.parent.length < 2) return 'no draft after a match of ' + plural(step.match, 'token');
  if (step.match) return 'drafted after a match of ' + plural(step.match, 'token');
  return 'drafted from the most frequent tokens (no match)';
}

const nodeAt = (/** @type {Element} */ svg, /** @type {number} */ node) => one(svg, '[data-node="' + node + '"]');

/** A node that is pointed at, and its ancestors. */
function mark(/** @type {Element} */ svg, /** @type {Step | undefined} */ step, /** @type {number | null} */ node) {
  for (const other of all(svg, '.linked')) other.classList.remove('linked');
  if (!hasDraft(step) || node === null || node >= step.draft.parent.length) return;
  for (const at of ancestors(step.draft.parent, node)) nodeAt(svg, at).classList.add('linked');
}

/** The tree as a file, with the colours that it has on screen. */
function saveTree(/** @type {SVGElement} */ svg, /** @type {HTMLElement} */ box, /** @type {number} */ step) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  const parts = 'rect, path, text, tspan', originals = svg.querySelectorAll(parts);
  copy.querySelectorAll(parts).forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    set(node, Object.fromEntries(STYLES.map((name) => [name, style.getPropertyValue(name)])));
  });
  const [width, height] = ['width', 'height'].map((name) => Number(svg.getAttribute(name)) + 2 * MARGIN);
  set(copy, { width, height, viewBox: [-MARGIN, -MARGIN, width, height].join(' '), xmlns: 'http://www.w3.org/2000/svg' });
  copy.prepend(draw('rect', { x: -MARGIN, y: -MARGIN, width, height, fill: getComputedStyle(box).backgroundColor }));
  copy.querySelectorAll('text').forEach((node) => node.setAttribute('xml:space', 'preserve'));
  save('draft-tree-step-' + step + '.svg', new XMLSerializer().serializeToString(copy), 'image/svg+xml');
}
