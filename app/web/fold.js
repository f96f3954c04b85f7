// Trees laid out in rows and columns, and folded where the room ends: a long branch reads on in the next line.

const STUB = 12; // what an edge shows of itself where it goes on in the next line

function children(parents) {
  const below = parents.map(() => []);
  parents.forEach((parent, node) => { if (parent >= 0) below[parent].push(node); });
  return below;
}

// Row of every node and the nodes in reading order, without recursion; a parent stands beside its first child.
function rows(below) {
  const row = new Array(below.length).fill(0);
  let leaf = 0;
  const order = [];
  const stack = [0];
  while (stack.length) {
    const node = stack.pop();
    order.push(node);
    if (!below[node].length) row[node] = leaf++;
    for (let i = below[node].length - 1; i >= 0; i--) stack.push(below[node][i]);
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const kids = below[order[i]];
    if (kids.length) row[order[i]] = row[kids[0]];
  }
  return { row, order };
}

// How many nodes stand below each, itself included; parents come before their children.
function sizes(below) {
  const size = below.map(() => 1);
  for (let node = below.length - 1; node >= 0; node--) for (const kid of below[node]) size[node] += size[kid];
  return size;
}

// Gives nodes of {depth, row, width} their x and y. Where the room ends, a row goes on in lines right below itself.
function fold(nodes, room, gap, height) {
  const widths = [];
  for (const node of nodes) widths[node.depth] = Math.max(widths[node.depth] || 0, node.width);
  const indent = 2 + STUB + (room < 420 ? 0 : (widths[0] || 0) + gap);
  const lineOf = [], left = [];
  let x = 2, line = 0, width = 0;
  widths.forEach((wide, depth) => {
    if (depth > 1 && x + wide > room) { line += 1; x = indent; }
    lineOf[depth] = line;
    left[depth] = x;
    width = Math.max(width, x + wide + 2);
    x += wide + gap;
  });
  const first = [], last = [];
  for (const node of nodes) {
    node.line = lineOf[node.depth];
    first[node.row] = Math.min(first[node.row] ?? node.line, node.line);
    last[node.row] = Math.max(last[node.row] ?? 0, node.line);
  }
  const top = [];
  let y = 2;
  first.forEach((begin, row) => { top[row] = y; y += (last[row] - begin + 1) * height; });
  for (const node of nodes) {
    node.x = left[node.depth];
    node.y = top[node.row] + (node.line - first[node.row]) * height;
  }
  return { width: line ? Math.max(width, room) : width, height: y, folded: line > 0 };
}

// The way from a node to its child; across a line end it leaves on the right and comes in on the left.
function edge(from, to, box, gap) {
  const x1 = from.x + from.width, y1 = from.y + box / 2, x2 = to.x, y2 = to.y + box / 2;
  if (from.line !== to.line) return 'M' + x1 + ' ' + y1 + 'h' + STUB + 'M' + (x2 - STUB) + ' ' + y2 + 'h' + STUB;
  if (y1 === y2) return 'M' + x1 + ' ' + y1 + 'H' + x2;
  const bend = x2 - gap / 2;
  const turn = Math.min(7, Math.abs(y2 - y1) / 2) * Math.sign(y2 - y1);
  return 'M' + x1 + ' ' + y1 + 'H' + (bend - 7) + 'Q' + bend + ' ' + y1 + ' ' + bend + ' ' + (y1 + turn) + 'V' + (y2 - turn) + 'Q' + bend + ' ' + y2 + ' ' + (bend + 7) + ' ' + y2 + 'H' + x2;
}
