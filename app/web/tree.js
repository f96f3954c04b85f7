// The draft tree of a step, as SVG: a column a depth, a row a leaf, the accepted path on top.

const STATUS = { r: 'root', a: 'accepted', x: 'rejected', u: 'unchecked' };
const SIGN = { a: '✓ ', x: '✗ ', u: '', r: '' };
const CELL = 7.25;
const ROW = 32;
const BOX = 24;
let tallest = 0; // of the trees seen in this run: the pane grows with them and never jumps back

function children(parents) {
  const below = parents.map(() => []);
  parents.forEach((parent, node) => { if (parent >= 0) below[parent].push(node); });
  return below;
}

// Rows of all nodes without recursion: parents precede children, so backwards all children come first.
function rows(parents, below) {
  const row = new Array(parents.length).fill(0);
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
  return { row, leaves: Math.max(1, leaf) };
}

// The nodes of a step with their places; the model's own token is one more node at the end of the path.
function layout(step) {
  const draft = step.draft;
  const nodes = draft.parent.map((parent, i) => ({ i, parent, status: draft.status[i], text: SIGN[draft.status[i]] + label(draft.text[i]) }));
  const own = step.emitted.length > step.path.length ? step.emitted[step.emitted.length - 1] : null;
  if (own) nodes.push({ i: nodes.length, parent: step.path.length ? step.path[step.path.length - 1] : 0, status: 'b', text: label(own[1] || '∅') });
  const rank = { a: 0, b: 1, x: 2, u: 3, r: 0 };
  const parents = nodes.map((node) => node.parent);
  const below = children(parents);
  below.forEach((kids) => kids.sort((a, b) => rank[nodes[a].status] - rank[nodes[b].status] || a - b));
  const { row, leaves } = rows(parents, below);
  const widths = [];
  nodes.forEach((node) => {
    node.depth = node.parent < 0 ? 0 : nodes[node.parent].depth + 1;
    node.width = Math.round(cells(node.text) * CELL + 18);
    widths[node.depth] = Math.max(widths[node.depth] || 0, node.width);
  });
  const left = [];
  let x = 2;
  widths.forEach((width, depth) => { left[depth] = x; x += width + 26; });
  nodes.forEach((node) => { node.x = left[node.depth]; node.y = row[node.i] * ROW + 4; });
  return { nodes, width: x - 24, height: leaves * ROW + 4 };
}

function edge(from, to) {
  const x1 = from.x + from.width, y1 = from.y + BOX / 2, x2 = to.x, y2 = to.y + BOX / 2;
  if (y1 === y2) return 'M' + x1 + ' ' + y1 + 'H' + x2;
  const bend = x2 - 13;
  const turn = Math.min(8, Math.abs(y2 - y1) / 2) * Math.sign(y2 - y1);
  return 'M' + x1 + ' ' + y1 + 'H' + (bend - 8) + 'Q' + bend + ' ' + y1 + ' ' + bend + ' ' + (y1 + turn) + 'V' + (y2 - turn) + 'Q' + bend + ' ' + y2 + ' ' + (bend + 8) + ' ' + y2 + 'H' + x2;
}

function describe(step, node) {
  const draft = step.draft;
  const parts = ['“' + label(draft.text[node], 40) + '”', STATUS[draft.status[node]]];
  if (node) {
    parts.push('seen ' + plural(draft.count[node], 'time') + ' in the ' + draft.source[node], 'estimated ' + Math.round(100 * draft.p[node]) + ' %');
    const wanted = draft.wants[draft.parent[node]];
    if (draft.status[node] === 'x' && wanted !== null) parts.push('the model wanted “' + label(wanted, 40) + '”');
  }
  return parts.join(', ');
}

function drawTree(step) {
  const svg = $('#draft-tree');
  svg.replaceChildren();
  const fact = $('[data-tree-fact]');
  if (!step || !step.draft) {
    fact.textContent = step ? 'the prefill reads the prompt; there is no draft yet' : '';
    svg.setAttribute('width', 0); svg.setAttribute('height', 0);
    return;
  }
  const guessed = step.draft.parent.length - 1;
  fact.textContent = plural(guessed + 1, 'token') + ' in one pass, ' + (step.match ? plural(step.match, 'last token') + ' recognised' : 'nothing recognised');
  const { nodes, width, height } = layout(step);
  const room = $('[data-tree-box]').clientWidth - 26;
  const scale = Math.min(1, Math.max(0.72, room / width));
  svg.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
  svg.setAttribute('width', Math.round(width * scale));
  svg.setAttribute('height', Math.round(height * scale));
  const edges = draw('g', { class: 'edges', fill: 'none' });
  const boxes = draw('g', { class: 'nodes' });
  for (const node of nodes) {
    if (node.parent >= 0) edges.append(draw('path', { d: edge(nodes[node.parent], node), class: 'e-' + (STATUS[node.status] || 'bonus') }));
    const own = node.status === 'b';
    const attributes = { class: 'n-' + (own ? 'bonus' : STATUS[node.status]), transform: 'translate(' + node.x + ' ' + node.y + ')', tabindex: own ? -1 : 0, role: 'img' };
    if (own) attributes['data-own'] = '';
    else Object.assign(attributes, { 'data-node': node.i, 'data-status': STATUS[node.status], 'data-source': step.draft.source[node.i] });
    const group = draw('g', attributes);
    const says = own ? 'The model’s own token' : describe(step, node.i);
    group.setAttribute('aria-label', says);
    group.append(draw('title', {}, says));
    group.append(draw('rect', { width: node.width, height: BOX, rx: 6 }));
    group.append(draw('text', { x: 9, y: 16 }, node.text));
    boxes.append(group);
  }
  svg.append(edges, boxes);
  const box = $('[data-tree-box]');
  if (height * scale > tallest) tallest = height * scale;
  box.style.height = Math.round(Math.min(280, Math.max(150, tallest + 40))) + 'px';
  box.scrollTop = 0;
  box.scrollLeft = 0;
}

// The tree as a file of its own, with the colours that it has on screen.
function saveTree(step) {
  const copy = $('#draft-tree').cloneNode(true);
  const originals = $('#draft-tree').querySelectorAll('rect, path, text');
  copy.querySelectorAll('rect, path, text').forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight']) node.setAttribute(name, style.getPropertyValue(name));
  });
  copy.setAttribute('xmlns', SVG);
  save('draft-tree-step-' + step.i + '.svg', new XMLSerializer().serializeToString(copy), 'image/svg+xml');
}
