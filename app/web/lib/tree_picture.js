// A tree as a picture: boxes with a text and smaller ones behind it, and the lines between them. A column per depth, a row
// per leaf: it is never folded, a box around it that is smaller scrolls.

import { draw, set } from './dom.js';
import { cells } from './text.js';

/**
 * A node of the picture; its kind is the class of the line that leads to it, the sign is before its text, the small pieces follow it.
 * @typedef {{ parent: number, sign?: string, text: string, small: [text: string, style?: string, name?: string][], kind: string, attributes: Record<string, any> }} Node
 * @typedef {Spec & { box: number, radius: number, x: number, y: number, cell: number, smallCell: number, around: number }} Style height and corner of a box, where its text is in it, the widths of its letters and of what is beside them
 */

/**
 * Draws a tree, the root first, instead of what the SVG element shows; of the kinds of lines, the last one is drawn over the others.
 * @param {SVGElement} svg @param {Node[]} list @param {Style} style @param {string[]} kinds
 * @param {(node: number) => number} [rank] as in layOut
 * @returns its size, and its nodes with their places
 */
export function drawTree(svg, list, style, kinds, rank) {
  const { box, radius, x, y, cell, smallCell, around } = style;
  const widthOf = (/** @type {Node} */ { sign = '', text, small }) => cells(sign + text) * cell + cells(small.map(([words]) => words).join('')) * smallCell + around;
  const { nodes, order, width, height } = layOut(list.map((node) => ({ ...node, width: Math.round(widthOf(node)) })), style, rank);
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
  return { width, height, nodes };
}

/**
 * @typedef {{ parent: number, width: number }} Box a node: the index of its parent (-1: none), parents first
 * @typedef {{ depth: number, row: number, x: number, y: number }} Place
 * @typedef {{ gap: number, height: number }} Spec between columns, and from row to row
 */

/**
 * Gives every node its place. A parent is beside its first child, and the rows of a subtree follow each other: so no line passes through a box.
 * @template {Box} N
 * @param {N[]} nodes changed: each gets depth, row, x and y
 * @param {Spec} spec
 * @param {(node: number) => number} [rank] which of several children comes first, the least rank first
 */
export function layOut(nodes, { gap, height }, rank = () => 0) {
  const placed = /** @type {(N & Place)[]} */ (nodes), below = nodes.map(() => /** @type {number[]} */ ([]));
  /** @type {number[]} */ const widths = [];
  placed.forEach((node, i) => {
    node.depth = node.parent < 0 ? 0 : placed[node.parent].depth + 1;
    below[node.parent]?.push(i);
    widths[node.depth] = Math.max(widths[node.depth] || 0, node.width);
  });
  for (const kids of below) kids.sort((a, b) => rank(a) - rank(b) || a - b);
  const { order, leaves } = giveRows(placed, below);
  let next = 2;
  const columns = widths.map((wide) => (next += wide + gap) - wide - gap);
  for (const node of placed) Object.assign(node, { x: columns[node.depth], y: 2 + node.row * height });
  return { nodes: placed, order, width: Math.max(0, next - gap + 2), height: 2 + leaves * height };
}

/** Gives every node its row, and returns them in reading order; without recursion, since branches can be long. */
function giveRows(/** @type {Place[]} */ nodes, /** @type {number[][]} */ below) {
  const order = [], stack = nodes.length ? [0] : [];
  let leaves = 0;
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    order.push(node);
    nodes[node].row = leaves;
    if (!below[node].length) leaves += 1;
    stack.push(...below[node].toReversed());
  }
  return { order, leaves };
}

/** The SVG path from a node to its child. @param {Box & Place} from @param {Box & Place} to @param {number} height of a node @param {number} gap */
function edge(from, to, height, gap) {
  const x1 = from.x + from.width, y1 = from.y + height / 2, x2 = to.x, y2 = to.y + height / 2;
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  const bend = x2 - gap / 2, turn = Math.min(5, gap / 2 - 1);
  return `M${x1} ${y1}H${bend - turn}Q${bend} ${y1} ${bend} ${y1 + turn}V${y2 - turn}Q${bend} ${y2} ${bend + turn} ${y2}H${x2}`;
}
