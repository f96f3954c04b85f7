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
  askWhereSeen();
}

// Not beside a lane that is timed: its end asks again.
function askWhereSeen() {
  const step = stepNow(), node = shownNode;
  if (!node || !step || !step.draft || !ended(main())) return;
  asking = setTimeout(() => askSeen({ run: main().id, step: step.i, node }), 80);
}

function pinNode(node) {
  pinned = node;
  shownNode = null;
  lookAtNode(node);
}

// A new step: its first rejected node is shown, since that tells why the path ended; else the last accepted one.
function forgetNode(step) {
  pinned = shownNode = null;
  clearTimeout(asking);
  showDetail(step, null, null);
}

function tellingNode(step) {
  if (!step || !step.draft) return null;
  const rejected = step.draft.status.indexOf('x');
  return rejected > 0 ? rejected : step.path.length ? step.path[step.path.length - 1] : 0;
}

function showDetail(step, node, answer) {
  const box = $('[data-detail]');
  const draft = step && step.draft;
  const pointed = node !== null && draft && node < draft.parent.length;
  const shown = pointed ? node : tellingNode(step);
  const parts = shown === null ? [] : [nodeFacts(step, shown, answer, pointed)];
  if (!pointed) parts.push(make('p', { class: 'hint' }, 'Point at a node, or click it, for its details and where it was seen before.'));
  box.replaceChildren(...parts);
}

function nodeFacts(step, node, answer, pointed) {
  const draft = step.draft;
  const list = make('dl');
  const row = (name, value) => { list.append(make('dt', {}, name), make('dd', {}, value)); };
  row('Token', label(draft.text[node], 40) + (draft.text[node] === '' ? ' (no text of its own)' : '') + ', id ' + draft.ids[node]);
  const wanted = node ? draft.wants[draft.parent[node]] : null;
  row('Status', node ? STATUS[draft.status[node]] + (draft.status[node] === 'x' && wanted !== null ? ', the model wanted ' + label(wanted, 40) : '') : 'root, the last token so far');
  if (node) {
    row('Source', draft.source[node] + ', counted ' + plural(draft.count[node], 'time'));
    row('Estimate', (100 * draft.p[node]).toFixed(1) + ' % for the path, rank ' + ranks(step)[node] + ' of ' + (draft.p.length - 1));
  }
  const after = draft.wants[node];
  row('Then', after === null || after === undefined ? 'the choice depends on the path' : 'the model’s choice is ' + label(after, 40));
  if (node && pointed) {
    const seen = make('dd', {}, answer ? answer.error || '' : ended(main()) ? '…' : 'told when the run has ended');
    if (answer && !answer.error) {
      const quote = make('q');
      quote.append(visible(answer.before), make('mark', {}, visible(answer.token)), visible(answer.after));
      seen.append(answer.where + ', after ' + plural(answer.matched, 'agreeing token') + ': ', quote);
    }
    list.append(make('dt', {}, 'Seen in'), seen);
  }
  return list;
}
