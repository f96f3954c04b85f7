import assert from 'node:assert/strict';
import test from 'node:test';

import { layOut } from '../../app/web/lib/tree_layout.js';

const SPEC = { room: 1000, gap: 10, height: 20 };
const nodes = (parents, width = 50) => parents.map((parent) => ({ parent, width }));

test('a column per depth, a row per leaf, a parent beside its first child', () => {
  const { nodes: placed, order, height } = layOut(nodes([-1, 0, 0, 1, 1]), SPEC);
  assert.deepEqual(placed.map(({ depth, row }) => [depth, row]), [[0, 0], [1, 0], [1, 2], [2, 0], [2, 1]]);
  assert.deepEqual(order, [0, 1, 3, 4, 2]);
  assert.deepEqual(placed.map(({ x, y }) => [x, y]), [[2, 2], [62, 2], [62, 42], [122, 2], [122, 22]]);
  assert.equal(height, 62);
});

test('children come by rank', () => {
  const { nodes: placed } = layOut(nodes([-1, 0, 0]), SPEC, (node) => -node);
  assert.deepEqual(placed.map(({ row }) => row), [0, 1, 0]);
});

test('a branch longer than the room continues below itself, and nothing overlaps', () => {
  const branch = nodes([-1, ...Array.from({ length: 30 }, (_, i) => i)]);
  branch.push({ parent: 0, width: 50 });
  const { nodes: placed, width, folded } = layOut(branch, { ...SPEC, room: 300 });
  assert.ok(folded);
  assert.ok(width <= 300);
  assert.ok(placed.every(({ x, width: wide }) => x >= 0 && x + wide <= 300));
  assert.equal(new Set(placed.map(({ x, y }) => x + ' ' + y)).size, placed.length);
});

test('if it folds, long branches come last, but for those that stay ahead', () => {
  const long = [-1, 0, ...Array.from({ length: 20 }, (_, i) => i + 1), 0]; // a long branch, then a short one
  const short = long.length - 1;
  const rowOfShort = (ahead) => layOut(nodes(long), { ...SPEC, room: 300 }, () => 0, ahead).nodes[short].row;
  assert.equal(rowOfShort(() => false), 0);
  assert.equal(rowOfShort((node) => node === 1), 1);
});

test('a very deep tree needs no deep stack', () => {
  const deep = nodes(Array.from({ length: 20000 }, (_, i) => i - 1));
  assert.equal(layOut(deep, SPEC).order.length, 20000);
});
