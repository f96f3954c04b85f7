// The tries as a step found them: what follows the last tokens, for the longest suffix and for shorter ones.

import { answerTo, asker } from '../lib/asker.js';
import { all, button, draw, fill, focusIn, input, make, moveAmong, on, one, put, save, within } from '../lib/dom.js';
import { isOver } from '../lib/runs.js';
import { cells, label, number, plural, unlabel } from '../lib/text.js';
import { edge, layOut } from '../lib/tree_layout.js';

/** @typedef {import('../types').TrieView} TrieView */

const MARKUP = `
<div class="head">
  <h2>Live Trie</h2>
  <span class="grow"></span>
  <button type="button" class="link" data-graphml title="The neighbourhood of the match, for graph tools">Export GraphML</button>
</div>
<p class="fact" data-trie-fact></p>
<div class="canvas" data-trie-box role="region" aria-label="What usually follows the last tokens; up and down move among the n-grams"></div>
<p class="legend under" data-signs></p>
<p class="hint" data-trie-says></p>
<form class="search" data-search><input type="search" placeholder="Find a text in the Trie" aria-label="Find a text in the Trie" maxlength="200"><button type="submit">Find</button></form>
<p class="hint" data-trie-hint role="status"></p>`;

const CELL = 6.7;
const GAP = 20, ROW = 26, BOX = 21;
const TIMED_PAUSE = 1000; // milliseconds between two questions beside runs that are timed

/** Where n-grams are read: the sign of their counts, and in words. @typedef {{ place: string, sign: string, words: string, light: string, dark: string }} Sign */

/** @type {import('../types').Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'live-trie');
  const place = one(box, '[data-trie-box]'), fact = one(box, '[data-trie-fact]'), says = one(box, '[data-trie-says]'), hint = one(box, '[data-trie-hint]');
  const form = /** @type {HTMLFormElement} */ (one(box, '[data-search]')), field = input(form, 'input'), graphml = button(box, '[data-graphml]');
  const signs = signsOf(context.sources);
  const legend = new Map(signs.map((sign) => [sign.place, make('span', { class: 'k' }, sign.sign + ' times in ' + sign.words)]));
  one(box, '[data-signs]').append(...legend.values(), make('span', { class: 'k' }, '+ new or seen again since the last step'));

  /** @type {import('../types').State | null} */
  let drawn = null;
  let searched = ''; // a text that is looked at instead of the match, until the field is emptied
  let adds = '', room = 0, nextAsk = 0;
  /** @type {number | undefined} */
  let timer;

  // A search waits for the end of the runs that are timed.
  const sought = () => (drawn && isOver(drawn) ? searched : '');
  const waiting = () => (searched && !sought() ? 'A run is being timed; “' + label(searched, 40) + '” is searched for when it has finished.' : '');
  /** @type {ReturnType<typeof asker<{ run: string, step: number, text: string }, TrieView>>} */
  const ask = asker((question) => context.server.trie_view(question), (answer, question) => {
    if (drawn && drawn.run.id === question.run && question.text === sought()) show(answer);
  });

  // Beside runs that are timed the server is asked this alone, once a second: the load is small and the same for all.
  function look() {
    if (!drawn) return;
    clearTimeout(timer);
    const wait = isOver(drawn) ? (drawn.playing ? 10 : 60) : Math.max(0, nextAsk - Date.now());
    timer = setTimeout(() => {
      nextAsk = Date.now() + TIMED_PAUSE;
      const step = drawn && drawn.run.steps[drawn.step];
      if (drawn && step) ask({ run: drawn.run.id, step: step.i, text: sought() });
    }, wait);
  }

  /** @param {string} text */
  function search(text) {
    searched = unlabel(text);
    look();
    put(hint, waiting());
  }

  /** @param {import('../types').Answer<TrieView>} answer */
  function show(answer) {
    if (!drawn) return;
    if (answer.error) {  // nothing of another step stays
      put(hint, answer.error);
      put(fact, '');
      adds = '';
      tell(null);
      place.replaceChildren();
      return;
    }
    const { steps } = drawn.run, step = steps[answer.step];
    put(fact, sizeOf(answer, steps[answer.step - 1]));
    adds = 'This step adds ' + plural(step.trie[1], 'n-gram') + (answer.step < steps.length - 1 ? ', marked + at the next step.' : '.');
    tell(null);
    put(hint, waiting() || alsoDraftsFrom(answer, step));
    for (const [name, sign] of legend) sign.hidden = name === 'corpus' && !answer.corpus;
    room ||= place.clientWidth - 26;
    const had = grams().findIndex((gram) => gram === document.activeElement);
    place.replaceChildren(...answer.levels.map((level, i) => {
      const block = make('div', { class: 'level', 'data-level': level.kind });
      const head = make('p', { class: 'match', 'data-match': '' }, titleOf(level, i > 0 && level.length < answer.levels[0].length, !!sought(), signs));
      if (level.match.length < level.length) head.append('… ');
      for (const text of level.match) head.append(make('span', { class: 'chip' }, label(text)));
      block.append(head, picture(level, room, signs));
      return block;
    }));
    const found = grams();
    if (had >= 0) focusIn(place, found[Math.min(had, found.length - 1)], true);
    else found[0].setAttribute('tabindex', '0');
  }

  const grams = () => all(place, '[data-gram]');
  /** An n-gram that is pointed at or focused, in full; else what the step adds. @param {Element | null} gram */
  const tell = (gram) => put(says, gram ? String(gram.getAttribute('aria-label')) : adds);

  on(place, ['mouseover', 'focusin'], (event) => tell(within(event, '[data-gram]')));
  on(place, ['mouseleave', 'focusout'], () => tell(null));
  on(place, ['keydown'], (event) => moveAmong(grams(), event, (gram) => focusIn(place, gram)));
  form.addEventListener('submit', (event) => { event.preventDefault(); search(field.value); });
  field.addEventListener('input', () => { if (!field.value && searched) search(''); });
  graphml.addEventListener('click', async () => {
    if (!drawn) return;
    const { run, step } = drawn;
    const answer = await answerTo(context.server.graph_file({ run: run.id, step }));
    if (answer.error) put(hint, answer.error);
    else save('trie-step-' + step + '.graphml', answer.text, 'application/xml');
  });

  return {
    draw(state) {
      const before = drawn, over = isOver(state);
      drawn = state;
      graphml.disabled = !over;
      if (before && before.run !== state.run && !state.runs?.includes(before.run)) {
        searched = '';
        form.reset();
      }
      if (!state.run.steps[state.step]) return;
      if (over && room && before && isOver(before) && before.run === state.run && before.step === state.step) return;
      look();
    },
    resize() { room = 0; },
    destroy() { clearTimeout(timer); },
  };
}

/** @param {import('../types').Source[]} sources @returns {Sign[]} */
function signsOf(sources) {
  const signs = sources.map(({ name, symbol, light, dark }) => ({ place: name, sign: symbol, words: WORDS[name] || name, light, dark }));
  const output = signs.findIndex(({ place }) => place === 'output');
  // Earlier outputs are the same source, but counted apart.
  if (output >= 0 && !signs.some(({ place }) => place === 'earlier')) signs.splice(output + 1, 0, { ...signs[output], place: 'earlier', sign: '◆', words: 'earlier outputs' });
  return signs;
}
/** @type {Record<string, string>} */
const WORDS = { prompt: 'the prompt', output: 'this output', corpus: 'the corpus', earlier: 'earlier outputs' };

/** The tries are shown as the step found them: their newest n-grams are those of the step before. @param {TrieView} view @param {import('../types').Step | undefined} before */
function sizeOf(view, before) {
  const size = number(view.size.n_grams, 0) + ' n-grams (' + number(view.size.bytes / 1000, 0) + ' kB) at this step';
  if (!before) return size;
  return size + ', ' + number(before.trie[1], 0) + ' of them new since the last one' + (before.trie[2] ? ', ' + number(before.trie[2], 0) + ' pruned' : '');
}

/** What the run drafts from besides its own trie. @param {TrieView} view @param {import('../types').Step} step */
function alsoDraftsFrom({ earlier, corpus }, step) {
  const from = [];
  if (earlier) from.push(plural(earlier.outputs, 'earlier output') + ' (' + plural(earlier.tokens, 'token') + ')');
  if (corpus) from.push('a corpus (' + number(corpus.n_grams, 0) + ' n-grams)');
  const says = from.length ? ['Also drafting from ' + from.join(' and ') + '.'] : [];
  if (!corpus && step.draft && step.draft.source.includes('corpus')) says.push('Some draft tokens of this step came from a corpus that this page does not have.');
  return says.join(' ');
}

/** @param {import('../types').TrieLevel} level @param {boolean} shorter @param {boolean} found @param {Sign[]} signs */
function titleOf(level, shorter, found, signs) {
  const sign = signs.find(({ place }) => place === level.kind), inOther = level.kind === 'own' || !sign ? '' : ' in ' + sign.words;
  if (found) return 'Found' + inOther + ': ';
  if (!level.length) return 'The last token is new to the Trie, so it falls back to the most frequent tokens: ';
  const last = 'last ' + (level.length > 1 ? level.length + ' tokens' : 'token');
  if (shorter) return 'Shorter match' + inOther + ' (' + last + ' only): ';
  return (inOther ? 'In' + inOther.slice(3) + ', after the ' : 'After the ') + last + ': ';
}

/** @param {import('../types').TrieLevel} level @param {number} room @param {Sign[]} signs */
function picture({ picture: shown, length }, room, signs) {
  /** @param {number} i @param {number} most */
  const name = (i, most) => (i || length ? label(shown.text[i], most) : 'root');
  const { nodes, width, height } = layOut(shown.text.map((_, i) => {
    const word = (shown.new[i] ? '+ ' : '') + name(i, 12);
    const places = signs.filter(({ place }) => shown[place] && shown[place][i]);
    const count = places.map(({ place, sign }) => ' ' + sign + shown[place][i]).join('');
    const times = places.map(({ place, words }) => shown[place][i] + ' in ' + words);
    const says = name(i, 200) + ': ' + [...times, shown.new[i] && 'read in the step before'].filter(Boolean).join(', ');
    return { word, count, says, parent: shown.parent[i], width: Math.round((cells(word) + cells(count)) * CELL + 14) };
  }), { room, gap: GAP, height: ROW });
  const svg = draw('svg', { width, height, role: 'group', 'aria-label': 'What follows “' + name(0, 40) + '”' });
  const boxes = draw('g');
  let lines = '';
  nodes.forEach((node, i) => {
    if (node.parent >= 0) lines += edge(nodes[node.parent], node, BOX, GAP);
    const group = draw('g', { transform: 'translate(' + node.x + ' ' + node.y + ')', class: 'n-trie' + (shown.new[i] ? ' new' : ''), 'data-gram': '', role: 'img', tabindex: -1, 'aria-label': node.says });
    const text = draw('text', { x: 7, y: 15 }, node.word);
    text.append(draw('tspan', { class: 'count' }, node.count));
    group.append(draw('rect', { width: node.width, height: BOX, rx: 5 }), text);
    boxes.append(group);
  });
  const edges = draw('g', { fill: 'none', class: 'edges' });
  edges.append(draw('path', { class: 'e-trie', d: lines }));
  svg.append(edges, boxes);
  return svg;
}
