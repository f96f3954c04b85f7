// What a step did, in one sentence, and what run it is of.

import { CAUSES } from '../../../lookahead/report/words.js';
import { fill, make, mark, one, put } from '../lib/dom.js';
import { brokeOff, draftsOff, hasDraft, ownToken, placesRead, plainBeside, plainName } from '../lib/runs.js';
import { summary } from '../lib/summary.js';
import { label, percent, plural } from '../lib/text.js';

/** @import { DraftStep, Example, LeftOut, Lost, Mount, Phase, Run } from '../types' */

const MARKUP = `
<p class="lead"><span data-pitch>Fewer passes, often faster, same text: <span data-who>the Trie guesses</span>, one pass checks. <span data-lead></span></span><span data-lost hidden><a data-lab></a> <span data-lost-says></span></span></p>
<p class="sentence" data-sentence role="status" aria-live="off">Loading …</p>
<p class="about"><span data-about></span></p>`;

/** @type {Mount} */ export function mount(box, { examples = [] }) {
  fill(box, MARKUP, 'headline');
  const place = one(box, '[data-sentence]'), usual = one(box, '[data-lead]'), who = one(box, '[data-who]'), about = one(box, '[data-about]'), pitch = one(box, '[data-pitch]'), lossLine = one(box, '[data-lost]');
  let said = '';
  return {
    draw(state) {
      const { run, step, playing, live } = state;
      put(who, 'the Trie (seen n-grams)' + (run.head.config.sources.includes('model') ? ' and earlier passes guess' : ' guesses'));
      put(usual, plainName(run) + ': one per pass.');
      pitch.hidden = !(lossLine.hidden = !state.lost);
      if (state.lost) tellLost(lossLine, state.lost, step);
      const facts = [run.head.note, brokeOff(run), otherModel(run, examples), memory(run), run.head.model, run.head.settings].filter(Boolean).join(' · ');
      put(about, facts.replace(run.head.model, run.head.model.replace(/^[\w.-]+\//, ''))); // without its owner, so that the line is whole
      mark(about, 'title', facts);
      const pieces = state.summed ? summary(run, plainBeside(state)) : state.phase && hasDraft(run.steps[step]) ? inPhase(run, step, state.phase) : sentence(run, step);
      const text = pieces.map((piece) => piece[0]).join('');
      if (text === said) return;
      said = text;
      // Read out when the step is chosen by hand, not at every step of a run that plays or streams.
      place.setAttribute('aria-live', playing || live ? 'off' : 'polite');
      place.replaceChildren(...pieces.map(([words, kind]) => (kind ? make('b', { class: kind }, words) : words)));
    },
  };
}

/** Why a step of a row of the Lab is looked at. @param {HTMLElement} box @param {Lost} lost @param {number} at the step on the stage */
function tellLost(box, { step, row, cause, tokens, study }, at) {
  const [name, means] = CAUSES[cause], link = one(box, 'a');
  link.setAttribute('href', './lab' + (study ? '?' + new URLSearchParams({ study }) : ''));
  put(link, '‹ Lab, row ' + row + ':');
  put(one(box, '[data-lost-says]'), (at === step ? 'this step lost most, ' : 'step ' + step + ' lost most, ') + plural(tokens, 'token') + ': ' + name + '. ' + means);
}

/** What the Trie held before the run: a run that drafts from earlier outputs cannot be compared with one that does not. */
function memory(/** @type {Run} */ run) {
  if (run.method === 'plain' || draftsOff(run) || (run.head.earlier ?? null) === null) return '';
  const from = [run.head.earlier ? plural(run.head.earlier, 'earlier answer') : '', run.head.corpus ? 'a corpus' : ''].filter(Boolean);
  return from.length ? 'warm: drafts from ' + from.join(' and ') + ', too' + (run.head.drawn && run.head.earlier ? ', whatever their seed' : '') : 'cold: the Trie began empty';
}

/** A run of another model than that of the examples beside it. @param {Run} run @param {Example[]} examples */
function otherModel(run, examples) {
  const others = new Set(examples.map(({ model }) => model));
  return !run.head.note && others.size && ![...others].some((model) => run.head.model.startsWith(model + ' ')) ? 'not the model of the examples' : '';
}

/** Pieces of text, each with the class that colours it, if any. @param {Run} run @param {number} at @returns {[words: string, kind?: string][]} */
export function sentence(run, at) {
  const step = run.steps[at];
  if (!step) return [[run.end ? 'The run ' + brokeOff(run) + '.' : 'The model is reading the prompt …']];
  const { drawn } = run.head, dice = drawn ? diceOf(run) : '';
  if (!hasDraft(step)) return [[drawn ? 'The model read the prompt in one pass; ' + dice + ' drew the first token by its odds.' : 'The model read the prompt in one pass and wrote the first token.']];
  const guessed = step.draft.parent.length - 1;
  if (!guessed && run.method === 'plain') return [[drawn ? 'Plain decoding: one pass gives the odds, ' + dice + ' draw one token.' : 'Greedy decoding: one pass, one token.']];
  if (!guessed) return [[whyNoDraft(run, step.left_out) + (drawn ? ' The ' + dice + ' drew 1 token by the model’s odds.' : ' The model wrote 1 token.')]];
  const right = step.path.length;
  const inner = new Set(step.draft.parent);
  const leaves = step.draft.parent.filter((_, i) => !inner.has(i)).length;
  const branches = leaves > 1 ? ' on ' + leaves + ' branches' : '';
  const as = drawn ? ' as guessed' : ' right', verdict = right === guessed && right > 1 ? 'all ' + right + as : right ? right + as : 'none' + as;
  /** @type {[words: string, kind?: string][]} */
  const ending = ownToken(step) ? [[right ? ', then ' : ', so '], [drawn ? '1 of their own' : '1 written by the model', 's-own'], ['.']] : [[', and the text ended there.']];
  return [
    ...whoGuessed(step, branches), [(drawn ? '. One pass gave the odds of every next token, the ' + dice + ' drew: ' : '. ' + checked(guessed, step) + ': ')],
    [verdict, right ? 's-right' : 's-wrong'], ...ending,
  ];
}

/** How many tokens were guessed: by the Trie, unless earlier passes had them in mind. @param {DraftStep} step @param {string} branches @returns {[words: string, kind?: string][]} */
function whoGuessed({ draft: { parent, source } }, branches) {
  const guessed = parent.length - 1, tokens = plural(guessed, 'token'), passes = source.filter((name) => name === 'model').length, earlier = passes + ' from earlier passes';
  if (!passes) return [['The Trie guessed '], [tokens, 's-guess'], [branches]];
  return [[tokens, 's-guess'], [' guessed' + (passes < guessed ? ': ' + (guessed - passes) + ' from the Trie, ' + earlier : branches + ' from earlier passes')]];
}

/** The pass that checked the guesses; in fewer words where it was said who made which, so that a sentence keeps its two lines. @param {number} guessed @param {DraftStep} step */
const checked = (guessed, { draft: { source } }) => {
  const them = guessed === 1 ? 'it' : 'them';
  return source.includes('model') ? 'One pass checked ' + them : 'The model checked ' + them + ' in one pass';
};

/** What draws the tokens of a run above temperature 0. */
const diceOf = (/** @type {Run} */ run) => 'dice' + (run.head.seed === undefined ? '' : ' of seed ' + run.head.seed);

/** What happens in a phase of a step, before its outcome is known. @param {Run} run @param {number} at @param {Phase} phase @returns {[words: string, kind?: string][]} */
function inPhase(run, at, phase) {
  const step = run.steps[at], places = placesRead(run, at, step.match).length, guessed = step.draft ? step.draft.parent.length - 1 : 0;
  if (phase === 'accept') return [['4 Accept', 's-phase'], ...sentence(run, at)];
  if (phase === 'draft') return guessed ? [['2 Draft', 's-phase'], [step.draft?.source.includes('model') ? 'What followed there, and earlier passes, make ' : 'What followed there becomes '], [plural(guessed, 'guess', 'guesses'), 's-guess'], [', the likeliest first.']] : [['2 Draft', 's-phase'], [whyNoDraft(run, step.left_out)]];
  if (phase === 'verify') return [['3 Verify', 's-phase'], ['One pass of the model checks '], [guessed ? 'all of them' : 'nothing', 's-guess'], [guessed ? ': each token sees its own branch alone.' : ' this time; it writes its own next token.']];
  if (!step.match) return [['1 Retrieve', 's-phase'], ['The last token is new to the Trie.']];
  return [['1 Retrieve', 's-phase'], ['The Trie knows '], [step.match === 1 ? 'the last token' : 'the last ' + step.match + ' tokens', 's-guess'], [places ? ' from ' + plural(places, 'place') + ' in the text.' : ' from earlier.']];
}

function whyNoDraft(/** @type {Run} */ run, /** @type {LeftOut | null | undefined} */ left) {
  if (draftsOff(run)) return 'With decoding_length 1 the Trie is not asked.';
  if (!run.head.config.sources.length) return 'With no source the Trie has nothing to guess from.';
  if (left && left.best) return 'No draft this time: the best guess (' + (left.best.text ? '“' + label(left.best.text) + '”' : 'a token without text') + ', ' + percent(left.best.p) + ') was not worth a wider pass.';
  return left ? 'No draft this time: the Trie has nothing that could follow here.' : 'No draft this time: no guess was worth a wider pass.';
}
