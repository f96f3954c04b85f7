// The draft tree of a step, as SVG: the accepted path on top, the model's own token at its end.

const STATUS = { r: 'root', a: 'accepted', x: 'rejected', u: 'unchecked' };
const SIGN = { a: '✓ ', x: '✗ ', u: '○ ', r: '' };
const CELL = 7.25;
const TREE = { gap: 24, row: 31, box: 24, least: 226, most: 360 };
let tallest = 0; // of the trees seen in this run: the pane grows with them and never jumps back
let treeRoom = 0;

// The nodes of a step with their places; the model's own token is one more node at the end of the path.
function layout(step, room) {
  const draft = step.draft;
  const nodes = draft.parent.map((parent, i) => ({ i, parent, status: draft.status[i], text: SIGN[draft.status[i]] + label(draft.text[i]), wanted: '' }));
  for (const node of nodes) {
    const wanted = node.status === 'x' ? draft.wants[node.parent] : null;
    if (wanted !== null) node.wanted = '  ≠ ' + label(wanted, 10);
  }
  const own = step.emitted.length > step.path.length ? step.emitted[step.emitted.length - 1] : null;
  if (own) nodes.push({ i: nodes.length, parent: step.path.length ? step.path[step.path.length - 1] : 0, status: 'b', text: '+ ' + label(own[1] || '∅'), wanted: '' });
  for (const node of nodes) {
    node.depth = node.parent < 0 ? 0 : nodes[node.parent].depth + 1;
    node.width = Math.round(cells(node.text) * CELL + cells(node.wanted) * CELL * 0.92 + 18);
  }
  const rank = { a: 0, b: 1, x: 2, u: 3, r: 0 };
  const below = children(nodes.map((node) => node.parent));
  const size = sizes(below);
  const arrange = (compare) => {
    below.forEach((kids) => kids.sort((a, b) => compare(a, b) || rank[nodes[a].status] - rank[nodes[b].status] || a - b));
    const { row, order } = rows(below);
    for (const node of nodes) node.row = row[node.i];
    return { nodes, order, ...fold(nodes, room, TREE.gap, TREE.row) };
  };
  const plain = arrange(() => 0);
  if (!plain.folded) return plain;
  // The line that leads down to the last child would run through long branches that are folded above it: those go last.
  const ownPath = (node) => rank[nodes[node].status] < 2;
  return arrange((a, b) => (ownPath(a) || ownPath(b) ? 0 : size[a] - size[b]));
}

// Place of every draft node by estimated probability, 1 the likeliest; worked out once a step.
function ranks(step) {
  if (!step.ranks) {
    const p = step.draft.p;
    step.ranks = new Array(p.length).fill(0);
    p.map((_, i) => i).slice(1).sort((a, b) => p[b] - p[a] || a - b).forEach((node, place) => { step.ranks[node] = place + 1; });
  }
  return step.ranks;
}

function describe(step, node) {
  const draft = step.draft;
  if (!node) return 'the root, the last token so far';
  const parts = [STATUS[draft.status[node]]];
  const wanted = draft.wants[draft.parent[node]];
  if (draft.status[node] === 'x' && wanted !== null) parts.push('the model wanted “' + label(wanted, 40) + '”');
  parts.push('source ' + draft.source[node], 'estimated ' + percent(draft.p[node]), 'rank ' + ranks(step)[node] + ' of ' + (draft.p.length - 1));
  return parts.join(', ');
}

function drawTree(step) {
  const svg = $('#draft-tree');
  const box = $('[data-tree-box]');
  const had = svg.contains(document.activeElement) ? +(document.activeElement.dataset.node || 0) : null;
  const fact = $('[data-tree-fact]');
  drawCounts(step);
  put($('[data-tree-none]'), !step ? '' : step.draft ? '' : 'The prefill reads the prompt in one pass; the first draft comes with the next step.');
  if (!step || !step.draft) {
    put(fact, '');
    svg.replaceChildren();
    svg.setAttribute('width', 0); svg.setAttribute('height', 0);
    return;
  }
  put(fact, plural(step.draft.parent.length, 'token') + ' in one pass, ' + recognised(step));
  if (!treeRoom) treeRoom = box.clientWidth - 26;
  const { nodes, order, width, height } = layout(step, treeRoom);
  svg.setAttribute('width', width);
  svg.setAttribute('height', height);
  const lines = {};
  const boxes = draw('g', { class: 'nodes' });
  for (const at of order) {
    const node = nodes[at];
    if (node.parent >= 0) lines[node.status] = (lines[node.status] || '') + edge(nodes[node.parent], node, TREE.box, TREE.gap);
    boxes.append(nodeGroup(step, node));
  }
  const edges = draw('g', { class: 'edges', fill: 'none' });
  for (const status of 'uxba') if (lines[status]) edges.append(draw('path', { d: lines[status], class: 'e-' + (STATUS[status] || 'bonus') }));
  svg.replaceChildren(edges, boxes);
  if (height > tallest) {
    tallest = height;
    box.parentElement.style.setProperty('--tall', Math.round(Math.min(TREE.most, Math.max(TREE.least, tallest + 28))) + 'px');
  }
  if (had !== null) focusIn(svg, svg.querySelector('[data-node="' + Math.min(had, step.draft.parent.length - 1) + '"]'), true);
}

function recognised(step) {
  if (step.match) return (step.match === 1 ? 'the last token' : 'the last ' + step.match + ' tokens') + ' recognised';
  if (draftsOff(main()) || step.draft.parent.length < 2) return 'no draft';
  return 'nothing recognised: guesses from the most frequent tokens';
}

function nodeGroup(step, node) {
  const own = node.status === 'b';
  const group = draw('g', { class: 'n-' + (own ? 'bonus' : STATUS[node.status]), transform: 'translate(' + node.x + ' ' + node.y + ')' });
  if (own) {
    group.setAttribute('role', 'img');
    group.setAttribute('data-own', '');
    group.setAttribute('aria-label', 'The model’s own token');
  } else {
    const says = { 'data-node': node.i, 'data-status': STATUS[node.status], 'data-source': step.draft.source[node.i], role: 'button', tabindex: node.i ? -1 : 0, 'aria-label': node.text + node.wanted + ': ' + describe(step, node.i) };
    for (const name in says) group.setAttribute(name, says[name]);
  }
  const text = draw('text', { x: 9, y: 16 }, node.text);
  if (node.wanted) text.append(draw('tspan', { class: 'wanted' }, node.wanted));
  group.append(draw('rect', { width: node.width, height: TREE.box, rx: 6 }), text);
  return group;
}

// The legend is a count, too: how the nodes of this step ended.
function drawCounts(step) {
  const status = step && step.draft ? step.draft.status : '';
  const count = { a: 0, x: 0, u: 0 };
  for (const letter of status) if (letter in count) count[letter] += 1;
  const own = step && step.emitted.length > step.path.length ? 1 : 0;
  for (const letter of ['a', 'x', 'u']) put($('[data-count=' + STATUS[letter] + ']'), String(count[letter]));
  put($('[data-count=bonus]'), String(own));
}

const MARGIN = 12;

// The tree as a file of its own, with the colours that it has on screen.
function saveTree(step) {
  const svg = $('#draft-tree');
  const copy = svg.cloneNode(true);
  const parts = 'rect, path, text, tspan';
  const originals = svg.querySelectorAll(parts);
  copy.querySelectorAll(parts).forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight']) node.setAttribute(name, style.getPropertyValue(name));
  });
  const [width, height] = ['width', 'height'].map((name) => +svg.getAttribute(name) + 2 * MARGIN);
  Object.entries({ width, height, viewBox: [-MARGIN, -MARGIN, width, height].join(' ') }).forEach(([name, value]) => copy.setAttribute(name, value));
  copy.prepend(draw('rect', { x: -MARGIN, y: -MARGIN, width, height, fill: getComputedStyle($('[data-tree-box]')).backgroundColor }));
  copy.querySelectorAll('text').forEach((node) => node.setAttribute('xml:space', 'preserve'));
  copy.setAttribute('xmlns', SVG);
  save('draft-tree-step-' + step.i + '.svg', new XMLSerializer().serializeToString(copy), 'image/svg+xml');
}
