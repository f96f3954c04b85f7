// The pure parts of a study's pictures.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { roughly, secondsOf } from '../../app/web/lab/estimate.js';
import { cureFor, triedFor } from '../../lookahead/report/bars.js';
import { doubtful, neededAt, oneName, pointsOf } from '../../lookahead/report/break_even.js';
import { axesOf } from '../../lookahead/report/grid.js';
import { kindsOf } from '../../lookahead/report/kinds.js';
import { shownAdvice } from '../../lookahead/report/study_view.js';
import { columnsOf } from '../../lookahead/report/table.js';
import { apart, clock, flagsOf, number, oneLine, paying, percent, ticksTo } from '../../lookahead/report/words.js';

const MACHINE = { name: 'this machine', lengths: [1, 2, 4, 8], seconds: [1, 1.2, 1.6, 2.4], break_even: [1, 1.2, 1.6, 2.4], modelled_speedup: 1.5, best: 'wide', best_speedup: 1.8 };
const ROW = { name: 'a', text: 'x', category: '', tokens: 20, passes: 10, tokens_per_pass: 2, drafted: 30, accepted: 10, speedup: 1.4, modelled_speedup: 1.25 };
const variant = (more) => ({ label: 'wide', peer: false, config: {}, start: 'cold', tokens_per_pass: 2.2, drafted_per_pass: 7, modelled_speedup: 1.1, each: [1.1], ...more });
const study = (more = {}) => ({ config: { decoding_length: 64, branch_length: null }, rows: [ROW], total: ROW, variants: [], machines: [MACHINE], ...more });

test('a study takes as long as the same one took, or as T(1) says', () => {
  const known = { prompts: 100, tokens: 128, pass: 0.01, plain: true, study: null, same: false };
  assert.deepEqual(secondsOf(known), { seconds: 256, most: true });
  assert.deepEqual(secondsOf({ ...known, plain: false }), { seconds: 128, most: true });
  assert.equal(secondsOf({ ...known, pass: null }), null);
  assert.equal(secondsOf({ ...known, tokens: NaN }), null);
  const study = /** @type {any} */ ({ rows: Array(4), total: { seconds: 2, plain_seconds: 4, speedup: 2 } });
  assert.deepEqual(secondsOf({ ...known, study }), { seconds: 192, most: true });
  assert.deepEqual(secondsOf({ ...known, study, same: true }), { seconds: 150, most: false });
  assert.deepEqual(secondsOf({ ...known, study, same: true, plain: false }), { seconds: 50, most: false });
});

test('times are rounded as people say them', () => {
  const said = [0.2, 31, 57, 58, 89, 91, 569, 571, 3500, 5249, 5300, 20000].map(roughly);
  assert.deepEqual(said, ['5 s', '30 s', '55 s', '1 min', '1 min', '2 min', '9 min', '10 min', '60 min', '85 min', '1.5 h', '5.5 h']);
});

test('what other settings do about a cause is said before what to do, and a change that was named before cures it, too', () => {
  const advice = (/** @type {object} */ more) => ({ text: '', config: {}, start: 'cold', gain: null, low: null, high: null, cause: '', ...more });
  const best = advice({ text: 'Keep the trie between prompts (--warm): 1.40 times the speed.', start: 'warm', gain: 1.4 });
  const again = advice({ text: 'Never seen, 50 % of the passes: the best change of all is the best against this, too.', start: 'warm', cause: 'unseen' });
  const none = advice({ text: 'Another guess drafted, 30 % of the passes: nothing to win here: none of 4 settings is better.', cause: 'outranked' });
  assert.equal(triedFor('outranked', [best, again, none]), 'nothing to win here: none of 4 settings is better.');
  assert.equal(triedFor('width', [best, again, none]), '');
  assert.equal(triedFor('width', [advice({ text: 'Keep these settings: none is faster.' })]), 'keep these settings: none is faster.');
  assert.equal(cureFor('unseen', [best, again, none]), best);
  assert.equal(cureFor('outranked', [best, again, none]), undefined);
  assert.equal(cureFor('width', [best, again, none]), undefined);
});

test('what a width needs is between its neighbours', () => {
  assert.equal(neededAt(MACHINE, 1), 1);
  assert.equal(neededAt(MACHINE, 3), 1.4);
  assert.equal(neededAt(MACHINE, 100), 2.4);
  assert.equal(neededAt({ ...MACHINE, break_even: [] }, 8), 2.4);
});

test('a point is above the curve where its speedup is above 1, whatever its mean width', () => {
  const [own, slow] = pointsOf(study({ variants: [variant({ label: 'B', modelled_speedup: 0.9 })] }), MACHINE);
  assert.equal(own.needed, 1.6);
  assert.equal(own.x, 4); // not 1 + 30 / 10 by luck: the width of which a pass needs 1.6
  assert.equal(own.pays, true);
  assert.equal(slow.pays, false);
  assert.ok(slow.y < neededAt(MACHINE, slow.x) || slow.x === 8);
});

test('a point is at its mean width where T(n) there is about the time of its passes, on the right side of the curve', () => {
  const flat = { ...MACHINE, seconds: [1, 1.02, 1.05, 1.1], break_even: [] };
  const at = (/** @type {number} */ speedup, /** @type {number} */ y = 2.2) => pointsOf(study({ total: { ...ROW, tokens_per_pass: y, modelled_speedup: speedup }, machines: [flat] }), flat)[0];
  assert.equal(at(2.2 / 1.03).x, 1 + ROW.drafted / ROW.passes);
  assert.notEqual(at(2.2 / 1.6).x, 1 + ROW.drafted / ROW.passes);
  const slow = at(1.06 / 1.09, 1.06);
  assert.ok(slow.y < neededAt(flat, slow.x));
});

test('advice that B already is stands once', () => {
  const advice = (/** @type {object} */ more) => ({ text: '', config: {}, start: 'cold', gain: 1.4, low: 1, high: 2, cause: '', ...more });
  const compared = advice({ text: 'B is better', cause: 'B' }), warm = advice({ start: 'warm' }), wide = advice({ config: { decoding_length: 32 }, cause: 'width' });
  const shown = (/** @type {object[]} */ variants) => shownAdvice(study({ advice: [compared, warm, wide], variants }));
  assert.deepEqual(shown([variant({ label: 'B', start: 'warm' })]), [compared, wide]);
  assert.deepEqual(shown([variant({ label: 'B', config: { decoding_length: 16 } })]), [compared, warm, wide]);
});

test('on another machine only what was computed for it is shown', () => {
  const there = { ...MACHINE, name: 'there' }, shown = pointsOf(study({ machines: [MACHINE, there], variants: [variant({}), variant({ label: 'other' })] }), there);
  assert.deepEqual(shown.map(({ name }) => name), ['A', 'wide']);
});

test('the axes are settings with more than one value, the study’s own among them', () => {
  const grid = [variant({ config: { decoding_length: 8 } }), variant({ config: { branch_length: 4 } }), variant({ config: { branch_length: null }, start: 'warm' })];
  assert.deepEqual(axesOf(study(), grid), { decoding_length: [8, 64], branch_length: [4, null], start: ['cold', 'cold', 'warm'].filter((value, i, all) => all.indexOf(value) === i) });
  assert.deepEqual(axesOf(study(), [variant({ config: { decoding_length: 8 } })]), {});
});

test('a second setting brings a column, and a computed one of the first to compare it with', () => {
  const names = (more) => columnsOf(study(more)).filter((column) => !column.more).map(({ name }) => name);
  assert.deepEqual(names(), ['prompt', 'tokens', 'passes', 'per-pass', 'accepted', 'empty', 'speedup']);
  assert.deepEqual(names({ variants: [variant({ label: 'B' })] }), ['prompt', 'tokens', 'passes', 'per-pass', 'accepted', 'speedup', 'first', 'second']);
  assert.deepEqual(names({ variants: [variant({ label: 'B' })], machines: [] }), ['prompt', 'tokens', 'passes', 'per-pass', 'accepted', 'speedup', 'second']);
});

test('a speed says whether it was measured, computed or replayed', () => {
  const units = (more) => columnsOf(study(more)).filter(({ title }) => title.endsWith('×')).map(({ title, unit }) => title + ' ' + unit);
  assert.deepEqual(units({ variants: [variant({ label: 'B' })] }), ['A × measured', 'A × by T(n)', 'B × replayed, by T(n)']);
  assert.deepEqual(units({ rows: [{ ...ROW, speedup: null }] }), ['× by T(n)']);
});

test('a T(n) that falls or jumps is doubtful, a little noise is not', () => {
  assert.equal(doubtful(MACHINE), 0);
  assert.equal(doubtful({ ...MACHINE, seconds: [1, 0.97, 1.6, 2.4] }), 0);
  assert.equal(doubtful({ ...MACHINE, seconds: [1, 1.1, 0.96, 1.1] }), 0); // another kernel
  assert.equal(doubtful({ ...MACHINE, seconds: [1, 1.1, 0.6, 2.4] }), 4);
  assert.equal(doubtful({ ...MACHINE, seconds: [1, 2.2, 2.8, 3] }), 2);
  assert.equal(doubtful({ ...MACHINE, seconds: [1, 1.8, 2.8, 1.9] }), 8);
});

test('a T(n) that was measured after the study places all settings by their mean width', () => {
  const again = { ...MACHINE, again: true, modelled_speedup: null }, shown = pointsOf(study({ machines: [again], variants: [variant({}), variant({ label: 'B' })] }), again);
  assert.deepEqual(shown.map(({ name, x }) => [name, x]), [['A', 4], ['B', 8], ['', 8]]);
  assert.equal(shown[0].needed, neededAt(MACHINE, 4));
});

test('points on top of each other have one name', () => {
  const same = (value) => 100 * value, names = oneName([{ name: 'A', x: 1, y: 1 }, { name: 'B', x: 1.05, y: 1 }, { name: 'C', x: 2, y: 1 }], same, same);
  assert.deepEqual(names.map(({ name }) => name), ['A, B', 'C']);
});

test('kinds have the sums of their prompts, the worst first', () => {
  const row = (category, more) => ({ ...ROW, category, tokens: 21, passes: 10, seconds: 2, plain_seconds: 4, modelled_seconds: 2, modelled_speedup: 1.5, ...more });
  const rows = [row('code'), row('code', { seconds: 6, plain_seconds: 6 }), row('sum', { seconds: 4, modelled_speedup: 1 })];
  assert.deepEqual(kindsOf(study({ rows })), [
    { kind: 'sum', prompts: 1, tokens: 21, per_pass: 2, rate: 1 / 3, speedup: 1, modelled: 1, second: null },
    { kind: 'code', prompts: 2, tokens: 42, per_pass: 2, rate: 1 / 3, speedup: 1.25, modelled: 1.5, second: null },
  ]);
  assert.deepEqual(kindsOf(study({ rows: [row('code'), row('code')] })), []);
  // 20 tokens at 1 and 20 at 3 times plain decoding's speed: 40 in the time of 26 2/3; a prompt that B has not is left out
  const second = (each) => kindsOf(study({ rows, variants: [variant({ label: 'B', each })] })).map(({ kind, second: value }) => [kind, value]);
  assert.deepEqual(second([1, 3, 1.2]).map(([kind, value]) => [kind, value.toFixed(3)]), [['sum', '1.200'], ['code', '1.500']]);
  assert.deepEqual(second([2, null, null]), [['sum', null], ['code', 2]]);
});

test('a measured speed that cannot be gives way to the modelled one, with a mark', () => {
  const row = { ...ROW, speedup: 3, disturbed: true, seconds: 2, plain_seconds: 6, category: 'a' }, cell = columnsOf(study()).find(({ name }) => name === 'speedup');
  assert.deepEqual([cell.text(row, 0), cell.text(ROW, 0), cell.value(row, 0)], ['* 1.25', '1.40', 1.25]);
  assert.match(cell.says(row), /^\* timing disturbed: measured 3.00×/);
  assert.equal(cell.says(ROW), '');
  assert.deepEqual(kindsOf(study({ rows: [row, { ...row, category: 'b' }] })).map(({ speedup }) => speedup), [1.25, 1.25]);
});

test('settings are copied as flags: what changes, and what is not the default', () => {
  const settings = { decoding_length: { flag: '--decoding-length', default: 32 }, branch_length: { flag: '--branch-length', default: 0 }, sources: { flag: '--sources', default: ['prompt', 'output'] } };
  assert.equal(flagsOf(study(), { config: {}, start: 'cold' }, settings), '--decoding-length 64');
  assert.equal(flagsOf(study(), { config: { decoding_length: 32, branch_length: null, sources: ['prompt'] }, start: 'cold' }, settings), '--decoding-length 32 --sources prompt');
  assert.equal(flagsOf(study(), { config: {}, start: 'warm' }, settings), '--decoding-length 64 --warm');
});

test('prompts with one beginning are told apart by what follows, and by their lines', () => {
  const same = 'Answer from the passage. Passage: The return window';
  assert.deepEqual(apart([same + ' is 30 days.', 'Add 2.', same + ' was shut.', 'Add 2.']), ['1. … is 30 days.', '2. Add 2.', '3. … was shut.', '4. Add 2.']);
});

test('words', () => {
  assert.equal(oneLine(' a\n\u202eb\u0000 '), 'a ⟨202e⟩b');
  assert.equal(number(null), '–');
  assert.equal(number(12345.6), '12,346');
  assert.equal(percent(0.004), '< 1 %');
  assert.equal(clock(0.0042), '4.2 ms');
  assert.deepEqual([paying(1.01), paying(1), paying(0.9), paying(null)], ['pays', '', 'loses', '']);
  assert.deepEqual(ticksTo(2.2), [0, 0.5, 1, 1.5, 2]);
});
