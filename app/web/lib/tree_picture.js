// A tree as a picture: boxes with a text and smaller ones behind it, and the lines between them.

import { draw, set } from './dom.js';
import { edge, layOut } from './tree_layout.js';

/**
 * A node of the picture; its kind is the class of the line that leads to it, the sign is before its text, the small pieces follow it.
 * @typedef {{ parent: number, width: number, sign?: string, text: string, small: [text: string, style?: string, name?: string][], kind: string, attributes: Record<string, any> }} Node
 * @typedef {import('./tree_layout.js').Spec & { box: number, radius: number, x: number, y: number }} Style height and corner of a box, and where its text is in it
 */

/**
 * Draws a tree, the root first, instead of what the SVG element shows; of the kinds of lines, the last one is drawn over the others.
 * @param {SVGElement} svg @param {Node[]} list @param {Style} style @param {string[]} kinds
 * @param {(node: number) => number} [rank] as in layOut
 * @returns {{ width: number, height: number }} its size
 */
export function drawTree(svg, list, style, kinds, rank) {
  const { box, radius, x, y } = style;
  const { nodes, order, width, height } = layOut(list, style, rank);
  /** @type {Record<string, string>} */ const lines = {};
  const boxes = order.map((at) => {
    const node = nodes[at];
    if (node.parent >= 0) lines[node.kind] = (lines[node.kind] || '') + edge(nodes[node.parent], node, box, style.gap);
    const text = draw('text', { x: node.x + x, y: node.y + y }, ...(node.sign ? [draw('tspan', { class: 'sign' }, node.sign)] : []), node.text);
    text.append(...node.small.map(([words, style = '', name = 'behind']) => draw('tspan', { class: name, style }, words)));
    return draw('g', node.attributes, draw('rect', { x: node.x, y: node.y, width: node.width, height: box, rx: radius }), text);
  });
  const paths = kinds.filter((kind) => lines[kind]).map((kind) => draw('path', { class: 'e-' + kind, d: lines[kind] }));
  svg.replaceChildren(draw('g', { class: 'edges', fill: 'none' }, ...paths), ...boxes);
  set(svg, { width, height });
  return { width, height };
}
