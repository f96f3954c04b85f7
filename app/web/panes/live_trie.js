// The tries as a step found them: what follows the last tokens, for the longest suffix and for shorter ones.

import { answerTo, asker } from '../lib/asker.js';
import { all, button, coloured, draw, fill, focusIn, input, make, moveAmong, on, one, put, save, signOf, within } from '../lib/dom.js';
import { ancestors, draftsOff, hasDraft, isOver } from '../lib/runs.js';
import { label, number, plural, unlabel } from '../lib/text.js';
import { drawTree } from '../lib/tree_picture.js';

/** @import { Answer, Mount, Run, Source, State, Step, TrieLevel, TrieView } from '../types' */

const MARKUP = `
<div class="head">
  <h2>Live Trie</h2>
  <form class="search" data-search><input type="search" placeholder="Find a text" aria-label="Find a text in the Trie" maxlength="200"><button type="submit">Find</button></form>
  <span class="tools" data-tools><button type="button" class="link" data-graphml data-as-file title="The neighbourhood of the match, for graph tools">GraphML</button></span>
</div>
<div class="canvas">
  <p class="legend" data-signs></p>
  <p class="fact" data-trie-hint role="status"></p>
  <div data-trie-box role="region" aria-label="What usually follows the last tokens; up and down move among the n-grams"></div>
</div>
<p class="foot"><span class="fact" data-trie-fact></span><span class="fact" data-trie-says title="They are marked + at the next step"></span></p>`;

const STYLE = { gap: 18, height: 26, box: 21, radius: 5, x: 7, y: 15, cell: 7.25, smallCell: 7.25, around: 14 };
const TIMED_PAUSE = 1000; // milliseconds between two questions beside runs that are timed
const ALWAYS = ['prompt', 'output', 'earlier']; // in the legend whether they are read or not
/** @type {Record<string, string>} */ const WORDS = { prompt: 'the prompt', output: 'this output', corpus: 'the corpus', earlier: 'earlier outputs' };

/** @type {Mount} */
export function mount(box, context) {
  fill(box, MARKUP, 'live-trie');
  const place = one(box, '[data-trie-box]'), fact = one(box, '[data-trie-fact]'), says = one(box, '[data-trie-says]'), hint = one(box, '[data-trie-hint]');
  const form = /** @type {HTMLFormElement} */ (one(box, '[data-search]')), field = input(form, 'input'), graphml = button(box, '[data-graphml]');
  const places = placesOf(context.sources);
  const legend = new Map(places.map((source) => [source.name, make('span', {}, signOf(source), ' ' + wordsOf(source.name).replace(/^the /, ''))]));
  showLegend(false);
  one(box, '[data-signs]').append(...legend.values(), make('span', { title: 'new or seen again since the last step' }, '+ new'));

  /** @type {State | null} */ let drawn = null;
  let searched = ''; // a text that is looked at instead of the match, until the field is emptied
  let adds = '', asked = false, nextAsk = 0;
  /** @type {number | undefined} */ let timer;
  /** @type {TrieLevel[]} */ let levels = []; // that are shown
  let marked = '';

  // A search waits for the end of the runs that are timed.
  const sought = () => (drawn && isOver(drawn) ? searched : '');
  const waiting = () => (searched && !sought() ? 'A run is being timed; “' + label(searched, 40) + '” is searched for when it has finished.' : '');
  /** @type {ReturnType<typeof asker<{ run: string, step: number, text: string }, TrieView>>} */
  const ask = asker((question) => context.server.trie_view(question), (answer, question) => {
    if (drawn && drawn.run.id === question.run && question.text === sought()) show(answer, drawn.run);
  });

  // Beside runs that are timed the server is asked this alone, once per second: the load is small and the same for all.
  function look() {
    clearTimeout(timer);
    if (!drawn) return;
    timer = setTimeout(() => {
      const step = drawn?.run.steps[drawn.step];
      nextAsk = Date.now() + TIMED_PAUSE;
      if (drawn && step) ask({ run: drawn.run.id, step: step.i, text: sought() });
    }, isOver(drawn) ? (drawn.playing ? 10 : 60) : nextAsk - Date.now());
  }

  function search(/** @type {string} */ text) {
    searched = unlabel(text);
    look();
    put(hint, waiting());
  }

  function show(/** @type {Answer<TrieView>} */ answer, /** @type {Run} */ run) {
    const { steps } = run, step = steps[answer.step], had = grams().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    asked = true;
    put(fact, answer.error ? '' : sizeOf(answer, steps[answer.step - 1]));
    fact.title = answer.error ? '' : number(answer.size.bytes / 1000, 0) + ' kB';
    put(hint, answer.error || waiting() || (run.method === 'plain' || draftsOff(run) ? '' : alsoDraftsFrom(answer, step)));
    adds = answer.error ? '' : 'This step adds ' + number(step.trie[1], 0) + '.';
    tell(null);
    place.replaceChildren(...(answer.error ? [] : answer.levels.map((level) => levelOf(level, answer.levels[0], !!sought(), places))));
    place.dataset.of = answer.error ? '' : String(answer.step);
    marked = '';
    if (answer.error) return; // nothing of another step stays
    levels = answer.levels;
    if (drawn) mark(drawn); // a node may have been pointed at before the answer came
    showLegend(!!answer.corpus);
    const found = grams();
    if (had >= 0) focusIn(place, found[Math.min(had, found.length - 1)], true);
    else found[0].tabIndex = 0;
  }

  function showLegend(/** @type {boolean} */ corpus) {
    for (const [name, sign] of legend) sign.hidden = !ALWAYS.includes(name) && !(name === 'corpus' && corpus);
  }

  const grams = () => all(place, '[data-gram]');
  /** An n-gram that is pointed at or focused, in full; else what the step adds. */
  const tell = (/** @type {Element | null} */ gram) => put(says, gram?.getAttribute('aria-label') || adds);

  /** The draft node that an n-gram of the picture is, and the other way round. */
  function mark(/** @type {State} */ { run, step: at, node = null }) {
    const step = run.steps[at], path = hasDraft(step) && node ? ancestors(step.draft.parent, node).slice(1) : [];
    const key = at + ' ' + path.join(' ');
    if (key === marked) return;
    marked = key;
    for (const gram of all(place, '.linked')) gram.classList.remove('linked');
    if (!hasDraft(step) || !path.length || sought()) return;
    const ids = path.map((i) => step.draft.ids[i]);
    const line = levels.map((level, i) => ({ i, line: lineIn(level.picture.parent, level.picture.id, ids) })).find(({ line }) => line.length > ids.length);
    const boxes = line && all(all(place, '.level')[line.i], '[data-at]');
    for (const gram of boxes || []) gram.classList.toggle('linked', line?.line.includes(Number(gram.dataset.at)));
  }

  function nodeOf(/** @type {HTMLElement | null} */ gram) {
    const step = drawn?.run.steps[drawn.step], level = gram && levels[all(place, '.level').indexOf(/** @type {HTMLElement} */ (gram.closest('.level')))];
    if (!hasDraft(step) || !level || sought()) return null;
    const ids = ancestors(level.picture.parent, Number(gram.dataset.at)).slice(1).map((at) => level.picture.id[at]);
    return lineIn(step.draft.parent, step.draft.ids, ids)[ids.length] ?? null;
  }

  on(place, 'mouseover focusin', (event) => {
    const gram = within(event, '[data-gram]');
    tell(gram);
    if (gram) context.point?.(nodeOf(gram));
  });
  on(place, 'mouseleave focusout', () => { tell(null); context.point?.(null); });
  on(place, 'keydown', (event) => moveAmong(grams(), event, (gram) => focusIn(place, gram)));
  on(form, 'submit', (event) => { event.preventDefault(); search(field.value); });
  on(field, 'input', () => { if (!field.value && searched) search(''); });
  on(graphml, 'click', async () => {
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
      if (before?.run !== state.run) place.dataset.of = '';
      graphml.disabled = !over;
      if (before && before.run !== state.run && !state.runs?.includes(before.run)) {
        searched = '';
        form.reset();
      }
      const same = before && before.run === state.run && before.step === state.step && isOver(before);
      if (state.run.steps[state.step] && !(over && asked && same)) look();
      mark(state);
    },
  };
}

/** Where n-grams are read: the sources, and earlier outputs, which belong to one of them and are counted apart. */
const placesOf = (/** @type {Source[]} */ sources) =>
  sources.flatMap((source) => (source.earlier ? [source, { ...source, name: 'earlier', symbol: source.earlier }] : [source]));

const wordsOf = (/** @type {string} */ name) => WORDS[name] || name;

/** The tries are shown as the step found them: their newest n-grams are those of the step before. */
function sizeOf(/** @type {TrieView} */ view, /** @type {Step | undefined} */ before) {
  const size = number(view.size.n_grams, 0) + ' n-grams (';
  if (!before) return size + number(view.size.bytes / 1000, 0) + ' kB)';
  return size + number(before.trie[1], 0) + ' new from step ' + before.i + (before.trie[2] ? ', ' + number(before.trie[2], 0) + ' pruned)' : ')');
}

/** What the run drafts from besides its own trie. */
function alsoDraftsFrom(/** @type {TrieView} */ { earlier, corpus }, /** @type {Step} */ step) {
  const from = [];
  if (earlier) from.push(plural(earlier.outputs, 'earlier output') + ' (' + plural(earlier.tokens, 'token') + ')');
  if (corpus) from.push('a corpus (' + number(corpus.n_grams, 0) + ' n-grams)');
  const says = from.length ? ['Also drafting from ' + from.join(' and ') + '.'] : [];
  if (!corpus && step.draft?.source.includes('corpus')) says.push('Some draft tokens of this step came from a corpus that this page does not have.');
  return says.join(' ');
}

/** A level: its heading, then its picture. @param {TrieLevel} level @param {TrieLevel} longest @param {boolean} found @param {Source[]} places */
function levelOf(level, longest, found, places) {
  const title = titleOf(level, level.length < longest.length, found) + (level.match.length < level.length ? '… ' : '');
  const chips = level.match.map((text) => make('span', { class: found ? 'chip' : 'chip suffix' }, label(text)));
  return make('div', { class: 'level', 'data-level': level.kind }, make('p', { class: 'match', 'data-match': '' }, title, ...chips), picture(level, places));
}

function titleOf(/** @type {TrieLevel} */ { kind, length }, /** @type {boolean} */ shorter, /** @type {boolean} */ found) {
  const where = kind === 'own' ? '' : 'in ' + wordsOf(kind), last = 'last ' + (length > 1 ? length + ' tokens' : 'token');
  if (found) return 'Found' + (where && ' ' + where) + ': ';
  if (!length) return 'The last token is new to the Trie, so it falls back to the most frequent tokens: ';
  if (shorter) return 'Only the ' + last + (where && ' ' + where) + ': ';
  return (where ? 'I' + where.slice(1) + ', after the ' : 'After the ') + last + ': ';
}

/** The places of a line of tokens in a tree, its root first; it ends where the tree does. @param {number[]} parent @param {number[]} id @param {number[]} ids */
function lineIn(parent, id, ids) {
  const line = [0];
  for (const wanted of ids) {
    const next = parent.findIndex((above, i) => above === line[line.length - 1] && id[i] === wanted);
    if (next < 0) break;
    line.push(next);
  }
  return line;
}

function picture(/** @type {TrieLevel} */ { picture: shown, length }, /** @type {Source[]} */ places) {
  const name = (/** @type {number} */ i, /** @type {number} */ most) => (i || length ? label(shown.text[i], most) : 'root');
  const nodes = shown.text.map((_, i) => {
    const fresh = shown.new[i], text = (fresh ? '+ ' : '') + name(i, 12);
    const read = places.filter((source) => shown[source.name]?.[i]);
    /** @type {[string, string][]} */
    const small = read.map((source) => [' ' + source.symbol + shown[source.name][i], coloured('fill', source)]);
    const says = read.map((source) => shown[source.name][i] + ' in ' + wordsOf(source.name));
    if (fresh) says.push('read in the step before');
    const attributes = { class: 'n-trie' + (fresh ? ' new' : '') + (i || !length ? '' : ' n-suffix'), 'data-gram': '', 'data-at': i, role: 'img', tabindex: -1, 'aria-label': name(i, 200) + ': ' + says.join(', ') };
    return { parent: shown.parent[i], kind: 'trie', text, small, attributes };
  });
  const svg = draw('svg', { role: 'group', 'aria-label': 'What follows “' + name(0, 40) + '”' });
  drawTree(svg, nodes, STYLE, ['trie']);
  return svg;
}
