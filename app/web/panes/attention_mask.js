// The attention mask of a step: a row per token of the pass, a path per status. Its colour and the shape of its cells
// tell what became of the token. The text before the pass is one block that every row sees.

import { draw, fill, one, pointable, put, set } from '../lib/dom.js';
import { SIGN, STATUS, ancestors } from '../lib/runs.js';
import { cells, label, plural } from '../lib/text.js';

/** @import { DraftStep, Mount, Step } from '../types' @typedef {{ margin: number, block: number, size: number, high: number, left: number }} Sizes width and height of a cell, where the cells begin */

const MARKUP = `
<div class="head"><h2 title="Each row is a token of the pass with its position; its filled cells are the tokens it may attend to: the whole text before the pass, its ancestors and itself, never another branch. That is why one pass can check all branches.">Attention mask</h2><span class="fact" data-mask-fact></span><span class="tools" data-tools></span></div>
<div class="canvas" data-mask-box tabindex="0" role="region" aria-label="Attention mask of this step">
  <p class="legend"><span class="t-accepted">■ ✓ accepted</span><span class="t-rejected">▬ ✗ rejected</span><span class="t-unchecked">▪ ○ not reached</span></p>
  <svg role="img" aria-label="A matrix: each row is a token of the pass, its filled cells are the tokens that it attends to"></svg>
</div>
<p class="foot"><span class="fact" data-mask-row></span></p>`;

const MOST = 129;
const NAMED = 20; // most rows that have names
const BLOCK = 26; // width of the text before the pass
const LETTER = 7.25, LOWEST = 13; // width and height of what names a row
/** Width and height of a cell, shares of its room. @type {Record<string, [number, number]>} */
const SHAPE = { r: [1, 1], a: [1, 1], x: [1, 0.5], u: [0.6, 0.6] };

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'attention-mask');
  const place = one(box, '[data-mask-box]'), svg = one(place, 'svg'), fact = one(box, '[data-mask-fact]'), says = one(box, '[data-mask-row]');
  /** @type {Step | undefined | null} */ let drawn = null;
  /** @type {Element | null} */ let marked = null;
  let room = 0, tall = 0;

  pointable(place, 'data-row', context);

  /** The row of a node, and in words what it sees; null for none. */
  function mark(/** @type {Step | undefined} */ step, /** @type {number | null} */ node) {
    marked?.classList.remove('linked');
    marked = node === null ? null : svg.querySelector('[data-row="' + node + '"]');
    marked?.classList.add('linked');
    const frame = svg.querySelector('.marked'), draft = step?.draft;
    if (frame) set(frame, { visibility: marked ? 'visible' : 'hidden', y: marked?.getAttribute('y') || 0 });
    const line = marked && draft && node !== null ? ancestors(draft.parent, node) : [];
    const names = (line.length > 6 ? '… ' : '') + line.slice(-6).map((at) => label(draft?.text[at] || '', 12)).join(' ');
    const all = draft ? 'Each row sees ' + plural(step.context - 1, 'token') + ' before.' : step ? 'Every prompt token sees itself and those before it.' : '';
    put(says, line.length ? 'Row ' + node + ' sees ' + plural(line.length, 'token') + ' of this pass: ' + names : all);
  }

  return {
    draw(state) {
      const step = state.run.steps[state.step];
      if (drawn !== step || !room) {
        room ||= place.clientWidth - 22;
        tall ||= place.clientHeight - 42;
        if (room <= 0) { room = tall = 0; return; } // out of sight
        drawn = step;
        const count = step?.draft ? step.draft.parent.length : 0;
        put(fact, count ? count + ' × ' + count + (count > MOST ? ', too large to draw' : '') : step ? 'causal' : '');
        svg.replaceChildren(...(!step || count > MOST ? [] : step.draft ? drawMask(svg, /** @type {DraftStep} */ (step), room, tall) : drawPrompt(svg, step, room, tall)));
        if (!svg.firstChild) set(svg, { width: 0, height: 0 });
      }
      mark(step, state.node ?? null);
    },
    resize() { room = tall = 0; },
  };
}

/** The causal mask of the prompt's pass, as a triangle. @param {Element} svg @param {Step} step @param {number} room @param {number} tall */
function drawPrompt(svg, step, room, tall) {
  const side = Math.max(40, Math.min(room, tall) - 2);
  set(svg, { width: side + 2, height: side + 2 });
  return [
    draw('rect', { x: 1, y: 1, width: side, height: side, class: 'frame' }),
    draw('path', { class: 'm-prefix', d: 'M1 1V' + (side + 1) + 'H' + (side + 1) + 'z' }),
    draw('text', { x: 10, y: side - 8 }, plural(step.context, 'prompt token')),
  ];
}

/** @param {Element} svg @param {DraftStep} step @param {number} room @param {number} tall */
function drawMask(svg, step, room, tall) {
  const { draft } = step, count = draft.parent.length, sizes = sizesOf(step, room, tall), { margin, block, size, high, left } = sizes;
  const width = left + count * size, bands = [];
  set(svg, { width: width + 2, height: count * high + 2 });
  const parts = [
    draw('rect', { x: 0, y: 0, width, height: high, class: 'marked', visibility: 'hidden' }),
    draw('rect', { x: left, y: 0.5, width: count * size, height: count * high, class: 'frame' }),
    draw('rect', { x: margin, y: 0.5, width: block, height: count * high, class: 'm-prefix' }, draw('title', {}, plural(step.context - 1, 'token') + ' before the root: every row sees them all')),
  ];
  /** @type {Record<string, string>} */ const paths = {};
  for (let node = 0; node < count; node++) {
    const [across, down] = SHAPE[draft.status[node]], w = across * inner(size), h = down * inner(high);
    const from = left + (size - w) / 2, top = node * high + (high - h) / 2;
    const line = ancestors(draft.parent, node), cellsOf = line.map((at) => 'M' + (from + at * size) + ' ' + top + 'h' + w + 'v' + h + 'h' + -w + 'z');
    paths[draft.status[node]] = (paths[draft.status[node]] || '') + cellsOf.join('');
    bands.push(draw('rect', { 'data-row': node, x: 0, y: node * high, width, height: high, class: 'band' }));
    if (margin) parts.push(...rowText(step, node, line.length - 1, sizes));
  }
  for (const status in paths) parts.push(draw('path', { class: 'm-' + STATUS[status], d: paths[status] }));
  return [...parts, ...bands];
}

/** Names and positions have room in small masks alone. @param {DraftStep} step @param {number} room @param {number} tall @returns {Sizes} */
function sizesOf(step, room, tall) {
  const { draft } = step, count = draft.parent.length, block = Math.min(BLOCK, room / 8);
  const names = 8 + LETTER * Math.max(...draft.text.map((_, node) => cells(rowName(draft, node)))) + 6 + LETTER * String(step.context + count).length;
  const sizeIn = (/** @type {number} */ margin) => Math.min(22, Math.floor((room - margin - block - 3) / count));
  const margin = count <= NAMED && sizeIn(names) >= 4 ? names : 0;
  const size = margin ? sizeIn(names) : Math.max(2, Math.min(sizeIn(0), Math.floor(tall / count)));
  return { margin, block, size, high: margin ? Math.max(LOWEST, Math.min(22, Math.floor(tall / count))) : size, left: margin + block + 3 };
}

/** What of a cell is filled. */
const inner = (/** @type {number} */ room) => room - (room > 6 ? 3 : room > 3 ? 1 : 0);

/** @param {DraftStep} step @param {number} node @param {number} depth @param {Sizes} sizes */
function rowText(step, node, depth, { margin, high }) {
  const y = node * high + high / 2 + 4, position = String(step.context - 1 + depth);
  return [
    draw('text', { x: margin - 10 - LETTER * position.length, y, 'text-anchor': 'end' }, rowName(step.draft, node)),
    draw('text', { x: margin - 5, y, 'text-anchor': 'end', class: 'position' }, position),
  ];
}

const rowName = (/** @type {DraftStep['draft']} */ draft, /** @type {number} */ node) => SIGN[draft.status[node]] + label(draft.text[node], 11);
