// The attention mask of a step: one row a token of the pass, one path a status. Its colour and the shape of its cells
// tell what became of the token.

const MOST_MASKED = 129;
const SHAPE = { r: [1, 1], a: [1, 1], x: [1, 0.5], u: [0.6, 0.6] }; // width and height, shares of the room
let maskRoom = 0;
let markedRow = null;

const rowName = (draft, node) => SIGN[draft.status[node]] + label(draft.text[node], 11);

function drawMask(step) {
  const box = $('[data-mask-box]');
  const svg = box.querySelector('svg');
  markedRow = null;
  put($('[data-mask-row]'), '');
  const draft = step && step.draft;
  const count = draft ? draft.parent.length : 0;
  put($('[data-mask-fact]'), !count ? '' : count + ' × ' + count + (count > MOST_MASKED ? ', too large to draw' : ''));
  if (!count || count > MOST_MASKED) {
    svg.replaceChildren();
    svg.setAttribute('width', 0); svg.setAttribute('height', 0);
    return;
  }
  if (!maskRoom) maskRoom = box.clientWidth - 26;
  const named = count <= 20;
  const margin = named ? 16 + 7 * Math.max(...draft.text.map((_, node) => cells(rowName(draft, node)))) : 4;
  const size = Math.max(2, Math.min(22, Math.floor((maskRoom - margin) / count), Math.floor(266 / count)));
  svg.setAttribute('width', margin + count * size + 2);
  svg.setAttribute('height', count * size + 2);
  const parts = [draw('rect', { x: margin, y: 0.5, width: count * size, height: count * size, class: 'frame' })];
  parts.push(draw('rect', { x: 0, y: 0, width: margin + count * size, height: size, class: 'marked', visibility: 'hidden' }));
  const inset = size > 6 ? 1.5 : size > 3 ? 0.5 : 0;
  const side = size - 2 * inset;
  const paths = {};
  for (let node = 0; node < count; node++) {
    const [wide, high] = SHAPE[draft.status[node]].map((share) => share * side);
    const left = margin + (size - wide) / 2, top = node * size + (size - high) / 2;
    let path = '';
    for (let at = node; at >= 0; at = draft.parent[at]) path += 'M' + (left + at * size) + ' ' + top + 'h' + wide + 'v' + high + 'h' + -wide + 'z';
    paths[draft.status[node]] = (paths[draft.status[node]] || '') + path;
    if (named) parts.push(draw('text', { x: margin - 7, y: node * size + size / 2 + 4, 'text-anchor': 'end' }, rowName(draft, node)));
  }
  for (const status in paths) parts.push(draw('path', { class: 'm-' + STATUS[status], d: paths[status] }));
  for (let node = 0; node < count; node++) parts.push(draw('rect', { 'data-row': node, x: 0, y: node * size, width: margin + count * size, height: size, class: 'band' }));
  svg.replaceChildren(...parts);
}

// The row of a node, and in words whom it sees; null for none.
function markRow(step, node) {
  if (markedRow) markedRow.classList.remove('linked');
  markedRow = step ? $('#mask [data-row="' + node + '"]') : null;
  const frame = $('#mask .marked');
  if (frame) frame.setAttribute('visibility', markedRow ? 'visible' : 'hidden');
  if (!markedRow) { put($('[data-mask-row]'), ''); return; }
  markedRow.classList.add('linked');
  frame.setAttribute('y', markedRow.getAttribute('y'));
  const line = ancestors(step.draft.parent, node);
  const names = line.slice(-6).map((at) => label(step.draft.text[at], 12));
  put($('[data-mask-row]'), 'Row ' + node + ' sees ' + plural(line.length, 'token') + ' of this pass: ' + (line.length > 6 ? '… ' : '') + names.join(' '));
}
