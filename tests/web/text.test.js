import assert from 'node:assert/strict';
import test from 'node:test';

import { cells, clock, label, ordinal, percent, plural, unlabel, visible } from '../../app/web/lib/text.js';

test('a label shows spaces at its ends, line breaks, and what has no text', () => {
  assert.equal(label(' the '), '␣the␣');
  assert.equal(label('a\nb'), 'a⏎b');
  assert.equal(label('\n' + ' '.repeat(11)), '⏎␣×11');
  assert.equal(unlabel('⏎␣×11␣if'), '\n' + ' '.repeat(12) + 'if');
  assert.equal(label(''), '∅');
  assert.equal(label('abcdefghij', 5), 'abcd…');
  assert.equal(unlabel(label(' a\nb\tc')), ' a\nb\tc');
});

test('marks that reorder or hide their neighbours are shown', () => {
  assert.equal(visible('\u202ea\u0007\u007f'), '⟨202e⟩a␇␡');
});

test('wide letters take two cells', () => assert.equal(cells('a漢🌳'), 5));

test('numbers as words', () => {
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal), ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '101st', '111th']);
  assert.deepEqual([0, 0.004, 0.126].map(percent), ['0 %', '< 1 %', '13 %']);
  assert.equal(plural(2, 'pass', 'passes'), '2 passes');
  assert.deepEqual([0.012, 0.125, 3].map(clock), ['12 ms', '0.13 s', '3.00 s']);
});
