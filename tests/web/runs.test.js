import assert from 'node:assert/strict';
import test from 'node:test';

import { compared, contextAt, decoded, followers, inSentence, namesOf, pieceOf, placeOfNode, placesRead, ranksOf, stepsBy } from '../../app/web/lib/runs.js';
import { sentence } from '../../app/web/panes/headline.js';

const HEAD = { config: { decoding_length: 64, sources: ['prompt'] } };
const run = (id, method, tokens, end = {}) => ({
  id, method, head: HEAD, end: { finish_reason: 'eos', ...end },
  steps: tokens.map((ids, i) => ({ i, at: i + 1, path: [], draft: null, emitted: ids.map((token) => [token, 't' + token, 'bonus']) })),
});

test('runs side by side have names of their own', () => {
  const names = namesOf([run('a', 'lookahead', []), run('b', 'plain', []), run('c', 'lookahead', [])]);
  assert.deepEqual([...names.values()], ['Lookahead', 'Greedy', 'Lookahead 2']);
  const other = (id, config, model = 'a · 1M') => ({ ...run(id, 'lookahead', []), head: { config: { ...HEAD.config, ...config }, model } });
  const apart = (...runs) => [...namesOf(runs).values()];
  assert.deepEqual(apart(other('a', {}), other('c', { decoding_length: 4 })), ['width 64', 'width 4']);
  assert.deepEqual(apart(other('a', {}), other('b', { decoding_length: 4 }, 'org/b · 2M')), ['a', 'b']);
  assert.deepEqual(['Lookahead 2', 'SmolLM2'].map(inSentence), ['lookahead 2', 'SmolLM2']);
  assert.deepEqual(apart(other('a', { sources: [] }), other('b', {})), ['from nothing', 'from prompt']);
  assert.deepEqual(apart(other('a', { patience: 2 }), other('b', { patience: 3 })), ['patience 2', 'patience 3']);
});

test('two models are compared by what they wrote, not by token ids', () => {
  const first = run('a', 'lookahead', [[1], [2]]), second = run('b', 'lookahead', [[8], [9]]);
  first.head = { ...HEAD, model: 'a · 1M' };
  second.head = { ...HEAD, model: 'b · 1M' };
  second.steps.forEach((step, i) => { step.emitted[0][1] = 't' + (i + 1); });
  assert.equal(compared(first, second).same, true);
});

test('where tokens are drawn the plain run is not called greedy, and the dice have their say', () => {
  const drawn = { ...HEAD, drawn: true, seed: 7 };
  const plain = { ...run('b', 'plain', [[1], [2]]), head: drawn };
  assert.deepEqual([...namesOf([plain]).values()], ['Plain']);
  const say = (one) => sentence(one, 1).map(([words]) => words).join('');
  plain.steps[1].draft = { parent: [-1] };
  assert.equal(say(plain), 'Plain decoding: one pass gives the odds, dice of seed 7 draw one token.');
  const guessed = { ...run('a', 'lookahead', [[1], [2, 3]]), head: drawn };
  Object.assign(guessed.steps[1], { draft: { parent: [-1, 0], source: ['root', 'prompt'] }, path: [1] });
  assert.equal(say(guessed), 'The Trie guessed 1 token. One pass gave the odds of every next token, the dice of seed 7 drew: 1 as guessed, then 1 of their own.');
});

test('guesses of earlier passes are not called the Trie’s', () => {
  const say = (...source) => {
    const one = run('a', 'lookahead', [[1], [2]]);
    one.steps[1].draft = { parent: [-1, ...source.map(() => 0)], source: ['root', ...source] };
    return sentence(one, 1).map(([words]) => words).join('');
  };
  assert.match(say('prompt', 'corpus'), /^The Trie guessed 2 tokens on 2 branches\. /);
  assert.match(say('prompt', 'model', 'model'), /^3 tokens guessed: 1 from the Trie, 2 from earlier passes\. One pass checked them: /);
  assert.match(say('model'), /^1 token guessed from earlier passes\. /);
});

test('the first token that differs is found across steps', () => {
  const one = run('a', 'lookahead', [[1], [2, 3], [4]]);
  assert.equal(compared(one, run('b', 'plain', [[1], [2], [3], [4]])).same, true);
  assert.deepEqual([compared(one, run('c', 'plain', [[1], [2], [9]])).place, compared(one, run('d', 'plain', [[1]])).same], [2, false]);
  assert.equal(compared(one, run('e', 'plain', [[1]], { finish_reason: 'cancelled' })).same, true);
});

test('tokens and steps up to a moment', () => {
  const one = run('a', 'lookahead', [[1], [2, 3], [4]]);
  one.steps.slice(1).forEach((step) => { Object.assign(step, { draft: { parent: [-1] }, ms: [0, 1, 0, 0] }); });
  assert.deepEqual([0, 1, 2, 9, undefined].map((at) => decoded(one, at)), [[0, 0], [2, 1], [3, 2], [3, 2], [3, 2]].map(([tokens, passes]) => ({ tokens, passes })), 'after the first token');
  assert.deepEqual([0, 1, 2.5, 9].map((seconds) => stepsBy(one, seconds)), [0, 1, 2, 3]);
});

test('ranks are by probability, the root left out', () => {
  assert.deepEqual(ranksOf({ draft: { p: [1, 0.2, 0.9, 0.2] } }), [0, 2, 1, 3]);
});

test('a step without a draft says what its best guess was', () => {
  const alone = { parent: [-1], p: [1], status: 'r', text: [' a'], source: ['root'], count: [0], wants: ['x'], ids: [1] };
  const one = run('a', 'lookahead', [[1], [2]]);
  const said = (left_out) => {
    one.steps[1] = { ...one.steps[1], draft: alone, left_out };
    return sentence(one, 1).map(([words]) => words).join('');
  };
  const best = { text: ' the', p: 0.12, source: 'prompt', reason: 'pays', parent: 0 };
  assert.equal(said({ best }), 'No draft this time: the best guess (“␣the”, 12 %) was not worth a wider pass. The model wrote 1 token.');
  assert.match(said({ best: null }), /^No draft this time: the Trie has nothing that could follow here\./);
  assert.match(said(null), /^No draft this time: no guess was worth a wider pass\./);
});

test('where the last tokens and a draft node were read before, and what followed', () => {
  const token = (id) => [id, '#' + id, 'bonus'];
  const draft = { ids: [2, 3, 9], parent: [-1, 0, 1] };
  const run = {
    id: 'r', head: { prompt: ['#1', '#2', '#3', '#1', '#2', '#4'], prompt_ids: [1, 2, 3, 1, 2, 4] },
    steps: [{ i: 0, match: 0, emitted: [token(1)] }, { i: 1, match: 1, emitted: [token(2)] }, { i: 2, match: 2, draft, emitted: [token(3)] }],
  };
  assert.deepEqual(contextAt(run, 2), { ids: [1, 2, 3, 1, 2, 4, 1, 2, 3], end: 8 });
  assert.deepEqual(placesRead(run, 2, 2), [5, 2]);
  assert.deepEqual(placesRead(run, 2, 0), []);
  assert.deepEqual(placesRead(run, 2, 3), []);
  assert.deepEqual(followers(run, run.steps[2]), [[4, 1], [3, 1]]);
  assert.deepEqual(placeOfNode(run, run.steps[2], 1), [0, 3]);
  assert.equal(placeOfNode(run, run.steps[2], 2), null);
  assert.deepEqual([pieceOf(run, 4), pieceOf({ ...run, steps: [...run.steps, { i: 3, emitted: [token(8)] }] }, 8)], ['#4', '#8']);
});
