// Trees of typed text: boxes with a token and a small figure, drawn like the trees of the Watch page.

import { draw, set } from '../lib/dom.js';
import { label } from '../lib/text.js';
import { drawTree } from '../lib/tree_picture.js';
import { fit } from './fit.js';

const STYLE = { gap: 22, height: 31, box: 24, radius: 6, x: 9, y: 16, cell: 7.25, smallCell: 6.67, around: 18 };

/** With room for a factor on every line. */
const WIDE = { ...STYLE, gap: 58, height: 40 };

/** @typedef {{ text: string, parent: number, small?: string, factor?: string, kind?: string, says?: string }} Gram factor: what is on the line to it; kind: a class of the box */

/**
 * Draws a tree into an SVG element, parents first.
 * @param {SVGElement} svg @param {Gram[]} grams @param {(node: number) => number} [rank] as in layOut
 */
export function drawGrams(svg, grams, rank) {
  const nodes = grams.map(({ text, parent, small = '', kind = '', says = '', factor }, i) => {
    const name = text ? label(text, 14) : parent < 0 ? 'root' : '∅';
    const attributes = { class: 'gram ' + kind, 'data-gram': i, role: 'img', ...(factor ? { tabindex: 0 } : {}), 'aria-label': name + (says && ': ' + says) };
    return { parent, kind: /\bnew\b|\bmatch\b/.test(kind) ? 'gram-lit' : 'gram', text: name, small: /** @type {[string][]} */ (small ? [[small]] : []), attributes };
  });
  const style = grams.some(({ factor }) => factor) ? WIDE : STYLE;
  const { nodes: placed, width, height } = drawTree(svg, nodes, style, ['gram', 'gram-lit'], rank);
  svg.append(...grams.flatMap(({ factor }, i) => (factor ? [draw('text', { class: 'factor', x: placed[i].x - 4, y: placed[i].y + style.box / 2 - 4, 'text-anchor': 'end' }, factor)] : [])));
  set(svg, { viewBox: '0 0 ' + width + ' ' + height });
  fit(svg, style === WIDE ? 1.2 : 1);
}

/** An empty picture with a name. */
export const picture = (/** @type {string} */ name) => /** @type {SVGElement} */ (draw('svg', { role: 'group', 'aria-label': name }));
