// The tries as a step found them: what follows the last tokens, for the longest suffix and for shorter ones.

import { answerTo, asker } from '../lib/asker.js';
import { all, button, draw, fill, focusIn, input, make, moveAmong, on, one, put, save, within } from '../lib/dom.js';
import { isOver } from '../lib/runs.js';
import { cells, label, number, plural, unlabel } from '../lib/text.js';
import { drawTree } from '../lib/tree_picture.js';

/** @import { Answer, Mount, Source, State, Step, TrieLevel, TrieView } from '../types' */

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
const STYLE = { gap: 20, height: 26, box: 21, radius: 5, x: 7, y: 15 };
const TIMED_PAUSE = 1000; // milliseconds between two questions beside runs that are timed

/** Where n-grams are read: the sign of their counts, and in words. @typedef {{ place: string, sign: string, words: string }} Sign */

/** @type {Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'live-trie');
  const place = one(box, '[data-trie-box]'), fact = one(box, '[data-trie-fact]'), says = one(box, '[data-trie-says]'), hint = one(box, '[data-trie-hint]');
  const form = /** @type {HTMLFormElement} */ (one(box, '[data-search]')), field = input(form, 'input'), graphml = button(box, '[data-graphml]');
  const signs = signsOf(context.sources);
  const legend = new Map(signs.map((sign) => [sign.place, make('span', { class: 'k' }, sign.sign + ' times in ' + sign.words)]));
  for (const [name, sign] of legend) sign.hidden = !ALWAYS.includes(name);
  one(box, '[data-signs]').append(...legend.values(), make('span', { class: 'k' }, '+ new or seen again since the last step'));

  /** @type {State | null} */
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

  /** @param {Answer<TrieView>} answer */
  function show(answer) {
    if (!drawn) return;
    if (answer.error) { // nothing of another step stays
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
    for (const [name, sign] of legend) sign.hidden = !ALWAYS.includes(name) && !(name === 'corpus' && answer.corpus);
    room ||= place.clientWidth - 26;
    const had = grams().findIndex((gram) => gram === document.activeElement);
    place.replaceChildren(...answer.levels.map((level, i) => {
      const title = titleOf(level, i > 0 && level.length < answer.levels[0].length, !!sought(), signs) + (level.match.length < level.length ? '… ' : '');
      const head = make('p', { class: 'match', 'data-match': '' }, title, ...level.match.map((text) => make('span', { class: 'chip' }, label(text))));
      return make('div', { class: 'level', 'data-level': level.kind }, head, picture(level, room, signs));
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

/** @param {Source[]} sources @returns {Sign[]} */
function signsOf(sources) {
  const signs = sources.map(({ name, symbol }) => ({ place: name, sign: symbol, words: WORDS[name] || name }));
  const output = signs.findIndex(({ place }) => place === 'output');
  // Earlier outputs are the same source, but counted apart.
  if (output >= 0 && !signs.some(({ place }) => place === 'earlier')) signs.splice(output + 1, 0, { place: 'earlier', sign: '◆', words: 'earlier outputs' });
  return signs;
}
const ALWAYS = ['prompt', 'output', 'earlier']; // in the legend whether they are read or not
/** @type {Record<string, string>} */
const WORDS = { prompt: 'the prompt', output: 'this output', corpus: 'the corpus', earlier: 'earlier outputs' };

/** The tries are shown as the step found them: their newest n-grams are those of the step before. @param {TrieView} view @param {Step | undefined} before */
function sizeOf(view, before) {
  const size = number(view.size.n_grams, 0) + ' n-grams (' + number(view.size.bytes / 1000, 0) + ' kB) at this step';
  if (!before) return size;
  return size + ', ' + number(before.trie[1], 0) + ' of them new since the last one' + (before.trie[2] ? ', ' + number(before.trie[2], 0) + ' pruned' : '');
}

/** What the run drafts from besides its own trie. @param {TrieView} view @param {Step} step */
function alsoDraftsFrom({ earlier, corpus }, step) {
  const from = [];
  if (earlier) from.push(plural(earlier.outputs, 'earlier output') + ' (' + plural(earlier.tokens, 'token') + ')');
  if (corpus) from.push('a corpus (' + number(corpus.n_grams, 0) + ' n-grams)');
  const says = from.length ? ['Also drafting from ' + from.join(' and ') + '.'] : [];
  if (!corpus && step.draft && step.draft.source.includes('corpus')) says.push('Some draft tokens of this step came from a corpus that this page does not have.');
  return says.join(' ');
}

/** @param {TrieLevel} level @param {boolean} shorter @param {boolean} found @param {Sign[]} signs */
function titleOf(level, shorter, found, signs) {
  const sign = signs.find(({ place }) => place === level.kind), inOther = level.kind === 'own' || !sign ? '' : ' in ' + sign.words;
  if (found) return 'Found' + inOther + ': ';
  if (!level.length) return 'The last token is new to the Trie, so it falls back to the most frequent tokens: ';
  const last = 'last ' + (level.length > 1 ? level.length + ' tokens' : 'token');
  if (shorter) return 'Shorter match' + inOther + ' (' + last + ' only): ';
  return (inOther ? 'In' + inOther.slice(3) + ', after the ' : 'After the ') + last + ': ';
}

/** @param {TrieLevel} level @param {number} room @param {Sign[]} signs */
function picture({ picture: shown, length }, room, signs) {
  /** @param {number} i @param {number} most */
  const name = (i, most) => (i || length ? label(shown.text[i], most) : 'root');
  const nodes = shown.text.map((_, i) => {
    const fresh = shown.new[i], text = (fresh ? '+ ' : '') + name(i, 12);
    const places = signs.filter(({ place }) => shown[place] && shown[place][i]);
    const small = places.map(({ place, sign }) => ' ' + sign + shown[place][i]).join('');
    const says = places.map(({ place, words }) => shown[place][i] + ' in ' + words);
    if (fresh) says.push('read in the step before');
    const attributes = { class: fresh ? 'n-trie new' : 'n-trie', 'data-gram': '', role: 'img', tabindex: -1, 'aria-label': name(i, 200) + ': ' + says.join(', ') };
    return { parent: shown.parent[i], kind: 'trie', text, small, attributes, width: Math.round((cells(text) + cells(small)) * CELL + 14) };
  });
  const svg = draw('svg', { role: 'group', 'aria-label': 'What follows “' + name(0, 40) + '”' });
  drawTree(svg, nodes, { ...STYLE, room }, ['trie']);
  return svg;
}
