// Attention mask, live trie, details of a node.

const MOST_MASKED = 129;

function ancestors(parents, node) {
  const line = [];
  for (let at = node; at >= 0; at = parents[at]) line.push(at);
  return line.reverse();
}

function drawMask(step) {
  const box = $('[data-mask-box]');
  const svg = box.querySelector('svg');
  svg.replaceChildren();
  const draft = step && step.draft;
  const count = draft ? draft.parent.length : 0;
  $('[data-mask-fact]').textContent = count ? count + ' × ' + count : '';
  if (!count || count > MOST_MASKED) {
    svg.setAttribute('width', 0); svg.setAttribute('height', 0);
    if (count) $('[data-mask-fact]').textContent += ', too large to draw';
    return;
  }
  const named = count <= 24;
  const margin = named ? 16 + 7 * Math.max(...draft.text.map((text) => cells(label(text, 11)))) : 4;
  const size = Math.max(3, Math.min(18, Math.floor((box.clientWidth - margin - 26) / count), Math.floor(266 / count)));
  svg.setAttribute('width', margin + count * size + 2);
  svg.setAttribute('height', count * size + 2);
  svg.append(draw('rect', { x: margin, y: 0.5, width: count * size, height: count * size, class: 'frame' }));
  for (let node = 0; node < count; node++) {
    const row = draw('g', { 'data-row': node, class: 'm-' + STATUS[draft.status[node]] });
    row.append(draw('title', {}, label(draft.text[node]) + ' sees ' + ancestors(draft.parent, node).map((at) => label(draft.text[at])).join(' ')));
    row.append(draw('rect', { x: 0, y: node * size, width: margin + count * size, height: size, class: 'band' }));
    if (named) row.append(draw('text', { x: margin - 7, y: node * size + size / 2 + 4, 'text-anchor': 'end' }, label(draft.text[node], 11)));
    const inset = size > 6 ? 1.5 : 0.5;
    const side = size - 2 * inset;
    row.append(draw('path', { d: ancestors(draft.parent, node).map((at) => 'M' + (margin + at * size + inset) + ' ' + (node * size + inset) + 'h' + side + 'v' + side + 'h' + -side + 'z').join('') }));
    svg.append(row);
  }
}

// A node and its row of the mask belong together: hover one, see both and the ancestors.
function link(step, node) {
  $$('.linked').forEach((other) => other.classList.remove('linked'));
  if (node === null || !step || !step.draft || node >= step.draft.parent.length) return;
  const row = $('#mask [data-row="' + node + '"]');
  if (row) row.classList.add('linked');
  for (const at of ancestors(step.draft.parent, node)) {
    const group = $('#draft-tree [data-node="' + at + '"]');
    if (group) group.classList.add('linked');
  }
}

function drawTrie(answer) {
  const svg = $('[data-trie-picture]');
  const chips = $('[data-match]');
  $('[data-trie-hint]').textContent = answer.error || '';
  if (answer.error) return;
  chips.replaceChildren();
  if (!answer.match.length) chips.append(make('em', {}, 'none; these are the most frequent tokens'));
  for (const text of answer.match) chips.append(make('span', { class: 'chip' }, label(text)));
  const size = answer.size;
  $('[data-trie-fact]').textContent = plural(size.nodes + size.leaves, 'n-gram') + ' · ' + number(size.bytes / 1000, 0) + ' kB · ' + answer.pruned + ' pruned';
  if (answer.earlier.outputs) $('[data-trie-hint]').textContent = 'Earlier outputs that also guess: ' + answer.earlier.outputs + ' (' + plural(answer.earlier.tokens, 'token') + ').';
  const picture = answer.picture;
  const counts = picture.text.map((_, i) => (picture.prompt[i] ? ' ■' + picture.prompt[i] : '') + (picture.output[i] ? ' ●' + picture.output[i] : ''));
  const words = picture.text.map((text, i) => (i ? (picture.new[i] ? '+ ' : '') + label(text, 12) : answer.match.length ? label(text, 12) : 'root'));
  const widths = [];
  const width = words.map((word, i) => Math.round((cells(word) + cells(counts[i])) * 6.7 + 14));
  picture.x.forEach((x, i) => { widths[x] = Math.max(widths[x] || 0, width[i]); });
  const left = [];
  let total = 2;
  widths.forEach((value, x) => { left[x] = total; total += value + 22; });
  const place = (i) => ({ x: left[picture.x[i]], y: picture.y[i] * 27 + 2, width: width[i] });
  const height = (Math.max(0, ...picture.y) + 1) * 27 + 4;
  svg.replaceChildren();
  svg.setAttribute('width', total); svg.setAttribute('height', height);
  const edges = draw('g', { fill: 'none', class: 'edges' });
  svg.append(edges);
  picture.parent.forEach((parent, i) => {
    const at = place(i);
    if (parent >= 0) {
      const from = place(parent);
      const middle = at.x - 11;
      edges.append(draw('path', { class: 'e-trie', d: 'M' + (from.x + from.width) + ' ' + (from.y + 11) + 'H' + middle + 'V' + (at.y + 11) + 'H' + at.x }));
    }
    const group = draw('g', { transform: 'translate(' + at.x + ' ' + at.y + ')', class: 'n-trie' + (picture.new[i] ? ' new' : '') });
    group.append(draw('title', {}, label(picture.text[i], 40) + ': ' + picture.prompt[i] + ' in the prompt, ' + picture.output[i] + ' in outputs'));
    group.append(draw('rect', { width: at.width, height: 22, rx: 5 }));
    const text = draw('text', { x: 7, y: 15 }, words[i]);
    const count = draw('tspan', { class: 'count' }, counts[i]);
    text.append(count);
    group.append(text);
    svg.append(group);
  });
}

function showDetail(step, node, answer) {
  const box = $('[data-detail]');
  box.replaceChildren();
  box.hidden = false;
  const draft = step.draft;
  const list = make('dl');
  const row = (name, value) => { list.append(make('dt', {}, name), make('dd', {}, value)); };
  row('Token', label(draft.text[node], 60) + '  (id ' + draft.ids[node] + ')');
  row('Status', STATUS[draft.status[node]]);
  if (node) {
    row('Source', draft.source[node] + ', counted ' + plural(draft.count[node], 'time'));
    row('Estimated', (100 * draft.p[node]).toFixed(1) + ' % that the model accepts the path up to here');
  }
  const wanted = draft.wants[node];
  row('Model’s choice after it', wanted === null ? 'depends on the path' : label(wanted, 60));
  if (answer) {
    const dd = make('dd');
    if (answer.error) dd.textContent = answer.error;
    else {
      dd.append(answer.where + ', after ' + plural(answer.matched, 'agreeing token') + ': ');
      const quote = make('q');
      quote.append(visible(answer.before), make('mark', {}, visible(answer.token)), visible(answer.after));
      dd.append(quote);
    }
    list.append(make('dt', {}, 'Seen in'), dd);
  }
  const close = make('button', { type: 'button', class: 'link', 'aria-label': 'Close the details' }, '✕');
  close.addEventListener('click', () => { box.hidden = true; });
  box.append(list, close);
}
