// Places for the nodes of a tree: a column per depth, a row per leaf, folded where the room ends.

const STUB = 12; // what an edge shows of itself where it continues in the next line

/**
 * @typedef {{ parent: number, width: number }} Box a node: the index of its parent (-1: none), parents first
 * @typedef {{ depth: number, row: number, line: number, x: number, y: number }} Place
 * @typedef {{ room: number, gap: number, height: number }} Spec the room there is, between columns, and from row to row
 */

/**
 * Gives every node its place. A parent is beside its first child; a branch longer than the room continues right below itself.
 * @template {Box} N
 * @param {N[]} nodes changed: each gets depth, row, line, x and y
 * @param {Spec} spec
 * @param {(node: number) => number} [rank] which of several children comes first, the least rank first
 * @param {(node: number) => boolean} [ahead] which of them come before the others even if the tree is folded
 */
export function layOut(nodes, spec, rank = () => 0, ahead) {
  const placed = /** @type {(N & Place)[]} */ (nodes), size = nodes.map(() => 1);
  const below = nodes.map(() => /** @type {number[]} */ ([]));
  placed.forEach((node, i) => {
    node.depth = node.parent < 0 ? 0 : placed[node.parent].depth + 1;
    below[node.parent]?.push(i);
  });
  for (let i = nodes.length - 1; i > 0; i--) size[nodes[i].parent] += size[i];
  const arrange = (/** @type {(a: number, b: number) => number} */ compare) => {
    for (const kids of below) kids.sort((a, b) => compare(a, b) || rank(a) - rank(b) || a - b);
    return { nodes: placed, order: giveRows(placed, below), ...fold(placed, spec) };
  };
  const flat = arrange(() => 0);
  if (!flat.folded || !ahead) return flat;
  // The line down to the last child would cross the lines of long branches folded above it: those come last.
  return arrange((a, b) => (ahead(a) || ahead(b) ? 0 : size[a] - size[b]));
}

/** Gives every node its row, and returns them in reading order; without recursion, since branches can be long. */
function giveRows(/** @type {Place[]} */ nodes, /** @type {number[][]} */ below) {
  const order = [], stack = nodes.length ? [0] : [];
  for (let node = stack.pop(), leaves = 0; node !== undefined; node = stack.pop()) {
    order.push(node);
    nodes[node].row = leaves;
    if (!below[node].length) leaves += 1;
    stack.push(...below[node].toReversed());
  }
  return order;
}

function fold(/** @type {(Box & Place)[]} */ nodes, /** @type {Spec} */ { room, gap, height }) {
  /** @type {number[]} */ const widths = [];
  for (const { depth, width } of nodes) widths[depth] = Math.max(widths[depth] || 0, width);
  const indent = 2 + STUB + (room < 420 ? 0 : (widths[0] || 0) + gap);
  let next = 2, line = 0, width = 0, y = 2;
  const columns = widths.map((wide, depth) => {
    if (depth > 1 && next + wide > room) { line += 1; next = indent; }
    const x = next;
    width = Math.max(width, x + wide + 2);
    next += wide + gap;
    return { line, x };
  });
  /** @type {{ first: number, last: number, top: number }[]} */ const rows = [];
  for (const node of nodes) {
    Object.assign(node, columns[node.depth]);
    const { first, last } = rows[node.row] || { first: node.line, last: 0 };
    rows[node.row] = { first: Math.min(first, node.line), last: Math.max(last, node.line), top: 0 };
  }
  for (const row of rows) {
    row.top = y;
    y += (row.last - row.first + 1) * height;
  }
  for (const node of nodes) node.y = rows[node.row].top + (node.line - rows[node.row].first) * height;
  return { width: line ? Math.max(width, room) : width, height: y, folded: line > 0 };
}

/** The SVG path from a node to its child; across a line end it leaves on the right and comes in on the left. @param {Box & Place} from @param {Box & Place} to @param {number} height of a node @param {number} gap */
export function edge(from, to, height, gap) {
  const x1 = from.x + from.width, y1 = from.y + height / 2, x2 = to.x, y2 = to.y + height / 2;
  if (from.line !== to.line) return `M${x1} ${y1}h${STUB}M${x2 - STUB} ${y2}h${STUB}`;
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  const bend = x2 - gap / 2;
  const turn = Math.min(7, Math.abs(y2 - y1) / 2) * Math.sign(y2 - y1);
  return `M${x1} ${y1}H${bend - 7}Q${bend} ${y1} ${bend} ${y1 + turn}V${y2 - turn}Q${bend} ${y2} ${bend + 7} ${y2}H${x2}`;
}
