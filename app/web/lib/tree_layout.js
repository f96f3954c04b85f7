// Places for the nodes of a tree: a column per depth, a row per leaf, folded where the room ends.

const STUB = 12; // what an edge shows of itself where it continues in the next line

/**
 * @typedef {{ parent: number, width: number }} Box a node: the index of its parent (-1: none), parents first
 * @typedef {{ depth: number, row: number, line: number, x: number, y: number }} Place
 * @typedef {{ room: number, gap: number, height: number }} Spec the room there is, between columns, and from row to row
 */

/**
 * Gives every node its place. A parent is beside its first child; a branch longer than the room continues in lines
 * right below itself.
 * @template {Box} N
 * @param {N[]} nodes changed: each gets depth, row, line, x and y
 * @param {Spec} spec
 * @param {(node: number) => number} [rank] which of several children comes first, the least rank first
 * @param {(node: number) => boolean} [ahead] which of them come before the others even if the tree is folded
 */
export function layOut(nodes, spec, rank, ahead) {
  const placed = /** @type {(N & Place)[]} */ (nodes);
  const below = childrenOf(nodes);
  for (const node of placed) node.depth = node.parent < 0 ? 0 : placed[node.parent].depth + 1;
  const arrange = (/** @type {((a: number, b: number) => number) | null} */ compare) => {
    if (compare) below.forEach((kids) => kids.sort((a, b) => compare(a, b) || a - b));
    const { row, order } = rowsOf(below);
    placed.forEach((node, i) => { node.row = row[i]; });
    return { nodes: placed, order, ...fold(placed, spec) };
  };
  const flat = arrange(rank ? (a, b) => rank(a) - rank(b) : null);
  if (!flat.folded || !rank || !ahead) return flat;
  // The line down to the last child would cross the lines of long branches folded above it: those come last.
  const size = sizesOf(below);
  return arrange((a, b) => (ahead(a) || ahead(b) ? 0 : size[a] - size[b]) || rank(a) - rank(b));
}

/** @param {Box[]} nodes @returns {number[][]} */
function childrenOf(nodes) {
  const below = nodes.map(() => /** @type {number[]} */ ([]));
  nodes.forEach(({ parent }, i) => { if (parent >= 0) below[parent].push(i); });
  return below;
}

/** The row of every node, and the nodes in reading order; without recursion, since branches can be long. */
function rowsOf(/** @type {number[][]} */ below) {
  const row = below.map(() => 0);
  let leaves = 0;
  const order = [];
  const stack = [0];
  while (stack.length) {
    const node = /** @type {number} */ (stack.pop());
    order.push(node);
    if (!below[node].length) row[node] = leaves++;
    for (let i = below[node].length - 1; i >= 0; i--) stack.push(below[node][i]);
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const kids = below[order[i]];
    if (kids.length) row[order[i]] = row[kids[0]];
  }
  return { row, order };
}

/** How many nodes each subtree has. */
function sizesOf(/** @type {number[][]} */ below) {
  const size = below.map(() => 1);
  for (let node = below.length - 1; node >= 0; node--) for (const kid of below[node]) size[node] += size[kid];
  return size;
}

/** @returns {number[]} */
const numbers = () => [];

function fold(/** @type {(Box & Place)[]} */ nodes, /** @type {Spec} */ { room, gap, height }) {
  const widths = numbers();
  for (const node of nodes) widths[node.depth] = Math.max(widths[node.depth] || 0, node.width);
  const indent = 2 + STUB + (room < 420 ? 0 : (widths[0] || 0) + gap);
  const lineOf = numbers(), left = numbers();
  let x = 2, line = 0, width = 0;
  widths.forEach((wide, depth) => {
    if (depth > 1 && x + wide > room) { line += 1; x = indent; }
    lineOf[depth] = line;
    left[depth] = x;
    width = Math.max(width, x + wide + 2);
    x += wide + gap;
  });
  const first = numbers(), last = numbers(), top = numbers();
  for (const node of nodes) {
    node.line = lineOf[node.depth];
    first[node.row] = Math.min(first[node.row] ?? node.line, node.line);
    last[node.row] = Math.max(last[node.row] ?? 0, node.line);
  }
  let y = 2;
  first.forEach((begin, row) => { top[row] = y; y += (last[row] - begin + 1) * height; });
  for (const node of nodes) {
    node.x = left[node.depth];
    node.y = top[node.row] + (node.line - first[node.row]) * height;
  }
  return { width: line ? Math.max(width, room) : width, height: y, folded: line > 0 };
}

/**
 * The SVG path from a node to its child; across a line end it leaves on the right and comes in on the left.
 * @param {Box & Place} from
 * @param {Box & Place} to
 * @param {number} height of a node
 * @param {number} gap
 */
export function edge(from, to, height, gap) {
  const x1 = from.x + from.width, y1 = from.y + height / 2, x2 = to.x, y2 = to.y + height / 2;
  if (from.line !== to.line) return 'M' + x1 + ' ' + y1 + 'h' + STUB + 'M' + (x2 - STUB) + ' ' + y2 + 'h' + STUB;
  if (y1 === y2) return 'M' + x1 + ' ' + y1 + 'H' + x2;
  const bend = x2 - gap / 2;
  const turn = Math.min(7, Math.abs(y2 - y1) / 2) * Math.sign(y2 - y1);
  return 'M' + x1 + ' ' + y1 + 'H' + (bend - 7) + 'Q' + bend + ' ' + y1 + ' ' + bend + ' ' + (y1 + turn) + 'V' + (y2 - turn) + 'Q' + bend + ' ' + y2 + ' ' + (bend + 7) + ' ' + y2 + 'H' + x2;
}
