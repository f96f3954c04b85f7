// The attention mask of a step: a row per token of the pass, a path per status. Its colour and the shape of its cells
// tell what became of the token.

import { draw, fill, one, pointable, put, set } from '../lib/dom.js';
import { SIGN, STATUS, ancestors } from '../lib/runs.js';
import { cells, label, plural } from '../lib/text.js';

/** @import { Draft, Mount, Step } from '../types' */

const MARKUP = `
<div class="head"><h2>Attention mask</h2><span class="fact" data-mask-fact></span></div>
<p class="fact" data-mask-row></p>
<div class="canvas" data-mask-box tabindex="0" role="region" aria-label="Attention mask of this step"><svg role="img" aria-label="A matrix: each row is a token of the pass, its filled cells are the tokens that it attends to"></svg></div>
<p class="legend under"><span class="t-accepted">■ root, ✓ accepted</span><span class="t-rejected">▬ ✗ rejected</span><span class="t-unchecked">▪ ○ not reached</span></p>
<p class="hint">Each row is a token of the pass; its filled cells are the tokens it may attend to: itself and its ancestors, never another branch. That is why one pass can check all branches. Every row also attends to the whole text before it.</p>`;

const MOST = 129;
/** Width and height of a cell, shares of its room. @type {Record<string, [number, number]>} */
const SHAPE = { r: [1, 1], a: [1, 1], x: [1, 0.5], u: [0.6, 0.6] };

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'attention-mask');
  const place = one(box, '[data-mask-box]'), svg = one(place, 'svg'), fact = one(box, '[data-mask-fact]'), says = one(box, '[data-mask-row]');
  /** @type {Step | undefined | null} */ let drawn = null;
  /** @type {Element | null} */ let marked = null;
  let room = 0;

  pointable(place, 'data-row', context);

  /** The row of a node, and in words what it sees; null for none. */
  function mark(/** @type {Draft | null | undefined} */ draft, /** @type {number | null} */ node) {
    marked?.classList.remove('linked');
    marked = node === null ? null : svg.querySelector('[data-row="' + node + '"]');
    marked?.classList.add('linked');
    const frame = svg.querySelector('.marked');
    if (frame) set(frame, { visibility: marked ? 'visible' : 'hidden', y: marked?.getAttribute('y') || 0 });
    const line = marked && draft && node !== null ? ancestors(draft.parent, node) : [];
    const names = (line.length > 6 ? '… ' : '') + line.slice(-6).map((at) => label(draft?.text[at] || '', 12)).join(' ');
    put(says, line.length ? 'Row ' + node + ' sees ' + plural(line.length, 'token') + ' of this pass: ' + names : '');
  }

  return {
    draw(state) {
      const step = state.run.steps[state.step], draft = step && step.draft;
      if (drawn !== step || !room) {
        drawn = step;
        room ||= place.clientWidth - 26;
        const count = draft ? draft.parent.length : 0;
        put(fact, count ? count + ' × ' + count + (count > MOST ? ', too large to draw' : '') : '');
        drawMask(svg, count > MOST ? null : draft, room);
      }
      mark(draft, state.node ?? null);
    },
    resize() { room = 0; },
  };
}

function drawMask(/** @type {Element} */ svg, /** @type {Draft | null | undefined} */ draft, /** @type {number} */ room) {
  if (!draft) {
    svg.replaceChildren();
    set(svg, { width: 0, height: 0 });
    return;
  }
  const count = draft.parent.length, named = count <= 20;
  const margin = named ? 16 + 7 * Math.max(...draft.text.map((_, node) => cells(rowName(draft, node)))) : 4;
  const size = Math.max(2, Math.min(22, Math.floor((room - margin) / count), Math.floor(266 / count)));
  set(svg, { width: margin + count * size + 2, height: count * size + 2 });
  const parts = [
    draw('rect', { x: margin, y: 0.5, width: count * size, height: count * size, class: 'frame' }),
    draw('rect', { x: 0, y: 0, width: margin + count * size, height: size, class: 'marked', visibility: 'hidden' }),
  ];
  const side = size - (size > 6 ? 3 : size > 3 ? 1 : 0);
  const bands = [];
  /** @type {Record<string, string>} */ const paths = {};
  for (let node = 0; node < count; node++) {
    const [wide, high] = SHAPE[draft.status[node]].map((share) => share * side);
    const left = margin + (size - wide) / 2, top = node * size + (size - high) / 2;
    let path = '';
    for (let at = node; at >= 0; at = draft.parent[at]) path += 'M' + (left + at * size) + ' ' + top + 'h' + wide + 'v' + high + 'h' + -wide + 'z';
    paths[draft.status[node]] = (paths[draft.status[node]] || '') + path;
    bands.push(draw('rect', { 'data-row': node, x: 0, y: node * size, width: margin + count * size, height: size, class: 'band' }));
    if (named) parts.push(draw('text', { x: margin - 7, y: node * size + size / 2 + 4, 'text-anchor': 'end' }, rowName(draft, node)));
  }
  for (const status in paths) parts.push(draw('path', { class: 'm-' + STATUS[status], d: paths[status] }));
  svg.replaceChildren(...parts, ...bands);
}

const rowName = (/** @type {Draft} */ draft, /** @type {number} */ node) => SIGN[draft.status[node]] + label(draft.text[node], 11);
