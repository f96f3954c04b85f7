import assert from 'node:assert/strict';
import test from 'node:test';

import { speedup } from '../../app/web/lib/speedup.js';
import { loopStart, summary, tellingStep } from '../../app/web/lib/summary.js';

const step = (ids, drafted = 0, right = 0) => ({
  path: Array.from({ length: right }, (_, i) => i + 1), ms: [0, drafted ? 3 : 1, 0, 0], emitted: ids.map((id) => [id, 't' + id, 'bonus']),
  draft: { parent: [-1, ...Array(drafted).fill(0)] },
});
const run = (method, steps, seconds, more = {}) => ({
  id: method, method, head: {}, steps: [{ ...step([0]), draft: null }, ...steps],
  end: { finish_reason: 'eos', seconds, tokens: 9, ...more },
});
const ids = (count) => Array.from({ length: count }, (_, i) => i + 1);
const fast = (seconds, more) => run('lookahead', [step(ids(8), 9, 7)], seconds, more);
const plain = (seconds, more) => run('plain', ids(8).map((id) => step([id])), seconds, more);
const said = (...runs) => summary(...runs).map(([words]) => words).join('');

test('a speedup is no more exact than the times', () => {
  const again = (mine, theirs) => speedup(fast(mine[0], { repeat_seconds: mine.slice(1) }), plain(theirs[0], { repeat_seconds: theirs.slice(1) })).words;
  assert.equal(again([1, 1.01], [5.2, 5.21]), '5.2 times faster than greedy');
  assert.equal(again([1, 1.1], [5, 5.5]), 'about 5 times faster than greedy');
  assert.equal(again([1, 1.3], [5, 5.5]), 'about 5 times faster than greedy');
  assert.equal(again([1, 1.2], [1.1, 1]), 'about as fast as greedy');
  assert.equal(again([1, 2.4], [1.1, 0.9]), 'the machine was busy, press Compare again'); // 1.7 and 1.0 seconds are not about the same
  assert.equal(again([1, 1.001], [0.8, 0.801]), '0.8 times as fast as greedy');
  assert.equal(speedup(fast(1), plain(1.05)).kind, 'same'); // one try: up to a tenth is noise
  assert.equal(speedup(fast(1), plain(1.4)).kind, 'faster');
  assert.equal(speedup(fast(1), plain(2, { finish_reason: 'cancelled' })), null);
});

/** A run of `count` one-token passes of so many milliseconds, and a few with guesses, which bring one token, too. */
const slowly = (method, count, ms, wide = 0) => {
  const steps = ids(count + wide).map((id, i) => ({ ...step([id], i < wide ? 15 : 0), ms: [0, i < wide ? 2 * ms : ms, 0, 0] }));
  return run(method, steps, steps.reduce((sum, { ms }) => sum + ms[1], 0) / 1000);
};

test('a time that the passes do not allow says that the machine was busy, and gives no cause', () => {
  const kind = (...pair) => speedup(...pair).kind;
  const busy = [slowly('lookahead', 104, 26, 3), slowly('plain', 107, 10)];
  assert.equal(kind(...busy), 'busy', 'its passes without guesses were slower than greedy ones');
  assert.equal(kind(slowly('lookahead', 104, 10, 3), slowly('plain', 107, 19)), 'busy', 'faster than fewer passes make it');
  assert.equal(kind(slowly('lookahead', 50, 10, 50), slowly('plain', 100, 10)), 'slower', 'half of the passes took twice as long');
  assert.equal(kind(slowly('lookahead', 104, 10, 3), slowly('plain', 107, 10)), 'same');
  assert.equal(kind(fast(1), plain(20)), 'busy');
  assert.equal(kind(plain(1), { ...plain(20), id: 'other' }), 'faster', 'two plain runs may differ in anything');
  assert.equal(speedup(...busy).times, '–');
  assert.equal(said(...busy), 'After the first token, 107 tokens in 107 passes, the same text. The machine was busy, so the times say nothing: press Compare again.');
});

test('a cause speaks of the passes that had guesses', () => {
  assert.match(said(slowly('lookahead', 50, 10, 50), slowly('plain', 100, 10)), /because a pass with guesses took 2\.0 times as long and brought 1\.0 tokens/);
});

test('a run of one token says so', () => {
  assert.equal(said(run('lookahead', [], 1)), 'The model wrote 1 token, in the prompt’s pass.');
});

test('the later run knows the tries of the earlier one', () => {
  assert.equal(speedup(fast(1), plain(2, { repeat_seconds: [2], beside_seconds: [1] })).tries, 2);
});

test('the end says what the run amounts to', () => {
  assert.equal(said(fast(1), plain(4, { repeat_seconds: [4], beside_seconds: [1] })), 'After the first token, 8 tokens in 1 pass: 4.0 times faster than greedy here, the same text.');
  assert.match(said(fast(1)), /^After the first token, 8 tokens in 1 pass: 8\.0 tokens per pass\. Compare times/);
  const slow = run('lookahead', ids(8).map((id) => step([id], 15)), 3);
  assert.equal(said(slow, plain(1)), 'After the first token, 8 tokens in 8 passes: only 0.3 times as fast as greedy here, because a pass with guesses took 3.0 times as long and brought 1.0 tokens; the same text.');
  assert.match(said(run('lookahead', [step([7, 8])], 1), plain(1)), /but not the same text\.$/);
  assert.match(said({ ...fast(1), end: { finish_reason: 'error', problem: 'out of memory' } }), /broke off: out of memory/);
});

test('an answer that the Trie held is no measure of new ones', () => {
  assert.equal(said(fast(1, { known: true }), plain(4)), 'It had already written this answer, now 8 tokens in 1 pass: about 4 times faster than greedy here, the same text.');
  assert.match(said(run('lookahead', ids(8).map((id) => step([id])), 1, { known: true }), plain(1)), /^It had already written this answer, but no guess was worth a wider pass, so 8 tokens in 8 passes: about as fast/);
});

test('where tokens are drawn nothing is called greedy', () => {
  const head = { drawn: true }, mine = { ...fast(1), head }, theirs = { ...plain(4), head };
  const texts = [said(mine, theirs), said(mine), said(theirs), said(mine, { ...theirs, end: { finish_reason: 'cancelled' } }), said({ ...fast(9), head }, theirs)];
  for (const text of texts) assert.doesNotMatch(text, /greedy/i);
  assert.match(texts[0], /times faster than plain decoding here, the same text\.$/);
});

test('a loop and an empty text are not boasted of', () => {
  assert.equal(loopStart([5, 6, ...Array(30).fill([1, 2, 3]).flat()]), 2);
  assert.equal(loopStart(ids(90)), null);
  assert.equal(loopStart([1, 2, 1, 2, 1, 2]), null);
  assert.match(said(run('lookahead', [step(Array(40).fill(7), 40, 39)], 1), plain(9)), /^The model repeats itself from token 2 on/);
  const deeper = Array.from({ length: 9 }, (_, i) => [[7, '{'], [100 + i, ' '.repeat(i)], [8, 'a'], [9, ':']]).flat();
  const nested = run('lookahead', [{ ...step([], 40, 35), emitted: deeper.map(([id, text]) => [id, text, 'accepted']) }], 1);
  assert.match(said(nested, plain(9)), /^The model repeats itself from token 2 on/);
  const empty = run('lookahead', [], 1);
  empty.steps[0].emitted = [[0, '', 'bonus']];
  assert.match(said(empty, plain(1)), /^The model wrote nothing/);
  assert.match(said({ ...empty, end: { ...empty.end, finish_reason: 'length' } }, plain(1)), /^The model wrote \d+ tokens? without visible text/);
});

test('the stage rests where most was accepted, or most was wasted', () => {
  const chain = { ...step([7, 8, 9, 10], 3, 3), draft: { parent: [-1, 0, 1, 2] } };
  const steps = [step([1, 2], 3, 1), step([3, 4, 5], 6, 2), step([6], 9), chain];
  assert.equal(tellingStep(run('lookahead', steps, 1), plain(4)), 2);
  assert.equal(tellingStep(run('lookahead', steps, 4), plain(1)), 3);
  const long = { ...step([1, 2, 3], 9, 9), draft: { parent: [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8] } }, forked = { ...step([1, 2], 4, 2), draft: { parent: [-1, 0, 1, 0, 0] } };
  assert.equal(tellingStep(run('lookahead', [long, forked], 1), plain(4)), 2, 'several branches tell more than a long chain');
  assert.equal(tellingStep(run('lookahead', [forked, long, step([1], 9)], 1), plain(4)), 1);
  assert.equal(tellingStep(run('plain', [], 1)), 0);
});
