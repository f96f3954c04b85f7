// One draft node: what is known of it, and its row of the mask.

let pinned = null; // the node that was clicked, as long as its step is shown

// A node and its row of the mask belong together: point at one, see both and the ancestors.
function link(step, node) {
  $$('#draft-tree .linked').forEach((other) => other.classList.remove('linked'));
  const seen = step && step.draft && node !== null && node < step.draft.parent.length;
  markRow(seen ? step : null, node);
  if (!seen) return;
  for (const at of ancestors(step.draft.parent, node)) {
    const group = $('#draft-tree [data-node="' + at + '"]');
    if (group) group.classList.add('linked');
  }
}

function ancestors(parents, node) {
  const line = [];
  for (let at = node; at >= 0; at = parents[at]) line.push(at);
  return line.reverse();
}

let asking = null;
const askSeen = asker((question) => server.node_seen(question), (answer, question) => {
  const step = stepNow();
  if (step && step.i === question.step && main().id === question.run && shownNode === question.node) showDetail(step, question.node, answer);
});
let shownNode = null;

// Pointed at or focused: its details at once, where it was seen a moment later.
function lookAtNode(node) {
  const step = stepNow();
  if (node === shownNode && node !== null) return;
  clearTimeout(asking);
  shownNode = node;
  link(step, node);
  showDetail(step, node, null);
  if (!node || !step || !step.draft || scene.live) return;
  asking = setTimeout(() => askSeen({ run: main().id, step: step.i, node }), 80);
}

function pinNode(node) {
  pinned = node;
  shownNode = null;
  lookAtNode(node);
}

function forgetNode() {
  pinned = shownNode = null;
  clearTimeout(asking);
  showDetail(null, null, null);
}

function showDetail(step, node, answer) {
  const box = $('[data-detail]');
  const draft = step && step.draft;
  if (node === null || !draft || node >= draft.parent.length) {
    box.replaceChildren(make('p', { class: 'hint' }, 'Point at a node, or click it, for its source, probability and rank, and where it was seen before.'));
    return;
  }
  const list = make('dl');
  const row = (name, value) => { list.append(make('dt', {}, name), make('dd', {}, value)); };
  const own = draft.text[node] === '' ? ' (no text of its own)' : '';
  row('Token', label(draft.text[node], 40) + own + ', id ' + draft.ids[node]);
  const wanted = draft.wants[draft.parent[node]];
  row('Status', draft.status[node] === 'x' && wanted !== null ? 'rejected: the model wanted ' + label(wanted, 40) : STATUS[draft.status[node]]);
  if (node) {
    row('Source', draft.source[node] + ', counted ' + plural(draft.count[node], 'time'));
    row('Estimated', (100 * draft.p[node]).toFixed(1) + ' % for the path up to here, rank ' + ranks(step)[node] + ' of ' + (draft.p.length - 1));
  }
  const after = draft.wants[node];
  row('Model’s choice after it', after === null || after === undefined ? 'depends on the path' : label(after, 40));
  if (node) {
    const seen = make('dd', {}, answer ? answer.error || '' : '…');
    if (answer && !answer.error) {
      const quote = make('q');
      quote.append(visible(answer.before), make('mark', {}, visible(answer.token)), visible(answer.after));
      seen.append(answer.where + ', after ' + plural(answer.matched, 'agreeing token') + ': ', quote);
    }
    list.append(make('dt', {}, 'Seen in'), seen);
  }
  box.replaceChildren(list);
}
