// The tries as a step found them: what follows the last tokens, for the longest suffix and for shorter ones.

const TRIE = { gap: 20, row: 26, box: 21, cell: 6.7 };
// Where an n-gram was read: the sign of its count, and in words.
const READ_IN = { prompt: ['■', 'the prompt'], output: ['●', 'this output'], earlier: ['◆', 'earlier outputs'], corpus: ['▲', 'the corpus'] };
let trieRoom = 0;
let searched = ''; // a text that is looked at instead of the match, until the field is emptied

let trieAdds = '';
let lookTimer = null;
let lookNext = 0;
// A search waits until the run has ended.
const sought = () => (ended(main()) ? searched : '');
const askTrie = asker((question) => server.trie_view(question), (answer, question) => {
  if (main() && main().id === question.run && question.text === sought()) drawTrie(answer);
});

// Beside a lane that is timed this is all that the server is asked, once a second and in either lane: the load of the
// two that are compared is the same, and little.
function lookAt() {
  clearTimeout(lookTimer);
  const ask = () => {
    lookNext = Date.now() + 1000;
    if (stepNow()) askTrie({ run: main().id, step: stepNow().i, text: sought() });
  };
  lookTimer = setTimeout(ask, ended(main()) ? (scene.playing ? 10 : 60) : Math.max(0, lookNext - Date.now()));
}

function search(text) {
  searched = unlabel(text);
  if (!main()) return;
  lookAt();
  put($('[data-trie-hint]'), waiting());
}

const waiting = () => (searched && !sought() ? 'The run is being timed; “' + label(searched, 40) + '” is looked for when it has ended.' : '');

function drawTrie(answer) {
  const hint = $('[data-trie-hint]');
  const box = $('[data-trie-box]');
  if (answer.error) {  // nothing of another step stays
    put(hint, answer.error);
    put($('[data-trie-fact]'), '');
    trieAdds = '';
    tellGram(null);
    box.replaceChildren();
    return;
  }
  const step = main().steps[answer.step];
  put($('[data-trie-fact]'), trieFact(answer, main().steps[answer.step - 1]));
  trieAdds = 'Step ' + answer.step + ' adds ' + plural(step.trie[1], 'n-gram') + (answer.step < main().steps.length - 1 ? ', marked + at the next step.' : '.');
  tellGram(null);
  put(hint, waiting() || alsoGuess(answer, step));
  $('[data-corpus-sign]').hidden = !answer.corpus;
  if (!trieRoom) trieRoom = box.clientWidth - 26;
  const had = $$('[data-gram]').indexOf(document.activeElement);
  box.replaceChildren(...answer.levels.map((level, place) => {
    const block = make('div', { class: 'level', 'data-level': level.kind });
    const head = make('p', { class: 'match', 'data-match': '' }, levelTitle(level, place && level.length < answer.levels[0].length));
    if (level.match.length < level.length) head.append('… ');
    for (const text of level.match) head.append(make('span', { class: 'chip' }, label(text)));
    block.append(head, trieSvg(level));
    return block;
  }));
  const grams = $$('[data-gram]');
  if (had >= 0) focusIn(box, grams[Math.min(had, grams.length - 1)], true);
  else grams[0].setAttribute('tabindex', 0);
}

// An n-gram that is pointed at or focused, in full; else what the step adds.
function tellGram(gram) {
  put($('[data-trie-says]'), gram ? gram.getAttribute('aria-label') : trieAdds);
}

// The tries are shown as the step found them, so the newest n-grams in them are those of the step before.
function trieFact(answer, before) {
  const found = 'Step ' + answer.step + ' found ' + number(answer.size.n_grams, 0) + ' n-grams, ' + number(answer.size.bytes / 1000, 0) + ' kB';
  return before ? found + '; step ' + before.i + ' (+) added ' + number(before.trie[1], 0) + ', pruned ' + number(before.trie[2], 0) : found;
}

// What the run drafts from besides its own trie.
function alsoGuess(answer, step) {
  const { earlier, corpus } = answer;
  const says = [];
  if (earlier) says.push('Earlier outputs that also guess: ' + earlier.outputs + ' (' + plural(earlier.tokens, 'token') + ').');
  if (corpus) says.push((earlier ? 'A corpus, too: ' : 'A corpus that also guesses: ') + number(corpus.n_grams, 0) + ' n-grams.');
  else if (step && step.draft && step.draft.source.includes('corpus')) says.push('Some guesses of this step came from a corpus, which is not known here.');
  return says.join(' ');
}

function levelTitle(level, shorter) {
  const other = level.kind === 'own' ? '' : READ_IN[level.kind][1];
  if (sought()) return other ? 'Found in ' + other + ': ' : 'Found: ';
  if (!level.length) return 'Nothing after the last token is known; the most frequent tokens:';
  const count = level.length > 1 ? ' ' + level.length + ' tokens' : ' token';
  return (other ? 'In ' + other + ', after ' : 'After ') + (shorter ? 'only ' : '') + 'the last' + count + ': ';
}

function trieSvg({ picture, length }) {
  const name = (i, most) => (i || length ? label(picture.text[i], most) : 'root');
  const nodes = picture.text.map((_, i) => {
    const word = (picture.new[i] ? '+ ' : '') + name(i, 12);
    const places = Object.keys(READ_IN).filter((place) => picture[place][i]);
    const count = places.map((place) => ' ' + READ_IN[place][0] + picture[place][i]).join('');
    const times = places.map((place) => picture[place][i] + ' in ' + READ_IN[place][1]);
    const says = name(i, 200) + ': ' + [...times, picture.new[i] && 'read in the step before'].filter(Boolean).join(', ');
    return { i, word, count, says, depth: picture.x[i], row: picture.y[i], width: Math.round((cells(word) + cells(count)) * TRIE.cell + 14) };
  });
  const { width, height } = fold(nodes, trieRoom, TRIE.gap, TRIE.row);
  const svg = draw('svg', { width, height, role: 'group', 'aria-label': 'What follows “' + name(0, 40) + '”' });
  let lines = '';
  const boxes = draw('g');
  for (const node of nodes) {
    const parent = picture.parent[node.i];
    if (parent >= 0) lines += edge(nodes[parent], node, TRIE.box, TRIE.gap);
    const group = draw('g', { transform: 'translate(' + node.x + ' ' + node.y + ')', class: 'n-trie' + (picture.new[node.i] ? ' new' : ''), 'data-gram': '', role: 'img', tabindex: -1, 'aria-label': node.says });
    const text = draw('text', { x: 7, y: 15 }, node.word);
    text.append(draw('tspan', { class: 'count' }, node.count));
    group.append(draw('rect', { width: node.width, height: TRIE.box, rx: 5 }), text);
    boxes.append(group);
  }
  const edges = draw('g', { fill: 'none', class: 'edges' });
  edges.append(draw('path', { class: 'e-trie', d: lines }));
  svg.append(edges, boxes);
  return svg;
}
