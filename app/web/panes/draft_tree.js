// The draft tree of a step: the accepted path on top, the model's own token at its end, and what is known of a node.

import { all, button, draw, fill, focusIn, moveAmong, on, one, presses, put, save, set, within } from '../lib/dom.js';
import { SIGN, STATUS, ancestors, draftsOff, hasDraft, ownToken } from '../lib/runs.js';
import { cells, label, plural } from '../lib/text.js';
import { edge, layOut } from '../lib/tree_layout.js';
import { describe, mount as mountDetails } from './node_details.js';

/** @typedef {import('../types').Step & { draft: import('../types').Draft }} DraftStep */

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
const GAP = 24, ROW = 31, BOX = 24;
const LEAST = 226, MOST = 360; // height of the pane
const MARGIN = 12; // around the picture in a file
/** @type {Record<string, number>} */
const RANK = { a: 0, b: 1, x: 2, u: 3, r: 0 };

/** @type {import('../types').Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'draft-tree');
  const place = one(box, '[data-tree-box]'), svg = /** @type {SVGElement} */ (/** @type {unknown} */ (one(box, '[data-tree]')));
  const fact = one(box, '[data-tree-fact]'), none = one(box, '[data-tree-none]'), download = button(box, '[data-svg]');
  const details = mountDetails(one(box, '[data-detail]'), context);
  /** @type {import('../types').State | null} */
  let drawn = null;
  let room = 0, tallest = 0; // the pane grows with the trees of a run and never jumps back

  const stepOf = () => drawn && drawn.run.steps[drawn.step];
  /** @param {Event} event */
  const nodeOf = (event) => { const group = within(event, '[data-node]'); return group ? Number(group.dataset.node) : null; };
  on(place, ['mouseover', 'focusin'], (event) => { const node = nodeOf(event); if (node !== null) context.point?.(node); });
  on(place, ['mouseleave'], () => context.point?.(null));
  on(place, ['click'], (event) => { const node = nodeOf(event); if (node !== null) context.pin?.(node); });
  on(place, ['keydown'], (event) => {
    moveAmong([...svg.querySelectorAll('[data-node]')], event, (node) => focusIn(svg, node));
    if (presses(event) && nodeOf(event) !== null) { event.preventDefault(); context.pin?.(nodeOf(event)); }
    if (event.key === 'Escape') context.pin?.(null);
  });
  download.addEventListener('click', () => { const step = stepOf(); if (step) saveTree(svg, place, step); });

  /** @param {import('../types').Step | undefined} step @param {import('../types').Run} run */
  function drawTree(step, run) {
    drawCounts(box, step);
    put(none, step && !step.draft ? 'Step 0 reads the prompt in one pass; the first draft comes in the next step.' : '');
    download.disabled = !hasDraft(step);
    if (!hasDraft(step)) {
      put(fact, '');
      svg.replaceChildren();
      set(svg, { width: 0, height: 0 });
      return;
    }
    const focused = document.activeElement;
    const had = svg.contains(focused) ? Number(/** @type {SVGElement} */ (focused).dataset.node || 0) : null;
    put(fact, plural(step.draft.parent.length, 'token') + ' in one pass, ' + matched(step, run));
    room ||= place.clientWidth - 26;
    const { nodes, order, width, height } = layOut(nodesOf(step), { room, gap: GAP, height: ROW }, (i) => RANK[statusOf(step, i)], (i) => RANK[statusOf(step, i)] < 2);
    set(svg, { width, height });
    /** @type {Record<string, string>} */
    const lines = {};
    const boxes = draw('g', { class: 'nodes' });
    for (const at of order) {
      const node = nodes[at];
      if (node.parent >= 0) lines[node.status] = (lines[node.status] || '') + edge(nodes[node.parent], node, BOX, GAP);
      boxes.append(nodeGroup(step, node, at));
    }
    const edges = draw('g', { class: 'edges', fill: 'none' });
    for (const status of 'uxba') if (lines[status]) edges.append(draw('path', { d: lines[status], class: 'e-' + (STATUS[status] || 'bonus') }));
    svg.replaceChildren(edges, boxes);
    if (height > tallest) {
      tallest = height;
      box.style.setProperty('--tall', Math.round(Math.min(MOST, Math.max(LEAST, tallest + 28))) + 'px');
    }
    if (had !== null) focusIn(svg, nodeAt(svg, Math.min(had, step.draft.parent.length - 1)), true);
  }

  return {
    draw(state) {
      const before = drawn, step = state.run.steps[state.step];
      drawn = state;
      if (!before || before.run !== state.run) tallest = 0;
      if (!before || before.run !== state.run || before.run.steps[before.step] !== step || !room) drawTree(step, state.run);
      mark(svg, step, state.node ?? null);
      details.draw(state);
    },
    resize() { room = tallest = 0; },
    destroy() { details.destroy?.(); },
  };
}

/** @param {DraftStep} step @param {number} i */
const statusOf = (step, i) => step.draft.status[i] || 'b';

/** The nodes of a step; the model's own token is one more node at the end of the path. @param {DraftStep} step */
function nodesOf(step) {
  const draft = step.draft;
  const nodes = draft.parent.map((parent, i) => {
    const status = draft.status[i], wanted = status === 'x' ? draft.wants[parent] : null;
    return { parent, status, text: SIGN[status] + label(draft.text[i]), wanted: wanted === null ? '' : '  ≠ ' + label(wanted, 10) };
  });
  const own = ownToken(step);
  if (own) nodes.push({ parent: step.path.length ? step.path[step.path.length - 1] : 0, status: 'b', text: '+ ' + label(own[1]), wanted: '' });
  return nodes.map((node) => ({ ...node, width: Math.round(cells(node.text) * CELL + cells(node.wanted) * CELL * 0.92 + 18) }));
}

/** @param {DraftStep} step @param {import('../types').Run} run */
function matched(step, run) {
  if (step.draft.parent.length < 2 && (run.method === 'plain' || draftsOff(run) || !step.match)) return 'no draft';
  if (step.draft.parent.length < 2) return 'no draft after a match of ' + plural(step.match, 'token');
  if (step.match) return 'drafted after a match of ' + plural(step.match, 'token');
  return 'drafted from the most frequent tokens (no match)';
}

/**
 * @param {DraftStep} step
 * @param {ReturnType<typeof nodesOf>[number] & import('../lib/tree_layout.js').Place} node
 * @param {number} i
 */
function nodeGroup(step, node, i) {
  const own = node.status === 'b';
  const group = draw('g', { class: 'n-' + (own ? 'bonus' : STATUS[node.status]), transform: 'translate(' + node.x + ' ' + node.y + ')' });
  if (own) set(group, { role: 'img', 'data-own': '', 'aria-label': 'The model’s own token' });
  else set(group, { 'data-node': i, 'data-status': STATUS[node.status], 'data-source': step.draft.source[i], role: 'button', tabindex: i ? -1 : 0, 'aria-label': node.text + node.wanted + ': ' + describe(step, i) });
  const text = draw('text', { x: 9, y: 16 }, node.text);
  if (node.wanted) text.append(draw('tspan', { class: 'wanted' }, node.wanted));
  group.append(draw('rect', { width: node.width, height: BOX, rx: 6 }), text);
  return group;
}

/** @param {Element} svg @param {number} node */
const nodeAt = (svg, node) => one(svg, '[data-node="' + node + '"]');

/** A node that is pointed at, and its ancestors. @param {Element} svg @param {import('../types').Step | undefined} step @param {number | null} node */
function mark(svg, step, node) {
  svg.querySelectorAll('.linked').forEach((other) => other.classList.remove('linked'));
  if (!hasDraft(step) || node === null || node >= step.draft.parent.length) return;
  for (const at of ancestors(step.draft.parent, node)) nodeAt(svg, at).classList.add('linked');
}

/** The legend counts how the nodes of this step ended. @param {HTMLElement} box @param {import('../types').Step | undefined} step */
function drawCounts(box, step) {
  /** @type {Record<string, number>} */
  const count = { accepted: 0, rejected: 0, unchecked: 0, root: 0, bonus: step && ownToken(step) ? 1 : 0 };
  for (const letter of step && step.draft ? step.draft.status : '') count[STATUS[letter]] += 1;
  for (const place of all(box, '[data-count]')) put(place, String(count[String(place.dataset.count)]));
}

/** The tree as a file, with the colours that it has on screen. @param {SVGElement} svg @param {HTMLElement} box @param {import('../types').Step} step */
function saveTree(svg, box, step) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  const parts = 'rect, path, text, tspan';
  const originals = svg.querySelectorAll(parts);
  copy.querySelectorAll(parts).forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight']) node.setAttribute(name, style.getPropertyValue(name));
  });
  const [width, height] = ['width', 'height'].map((name) => Number(svg.getAttribute(name)) + 2 * MARGIN);
  set(copy, { width, height, viewBox: [-MARGIN, -MARGIN, width, height].join(' '), xmlns: 'http://www.w3.org/2000/svg' });
  copy.prepend(draw('rect', { x: -MARGIN, y: -MARGIN, width, height, fill: getComputedStyle(box).backgroundColor }));
  copy.querySelectorAll('text').forEach((node) => node.setAttribute('xml:space', 'preserve'));
  save('draft-tree-step-' + step.i + '.svg', new XMLSerializer().serializeToString(copy), 'image/svg+xml');
}
