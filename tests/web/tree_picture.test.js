import assert from 'node:assert/strict';
import test from 'node:test';

import { layOut } from '../../app/web/lib/tree_picture.js';

const SPEC = { gap: 10, height: 20 };
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

test('subtrees have rows of their own, and no line passes through a box', () => {
  const { nodes: placed } = layOut(nodes([-1, 0, 0, 1, 1, 2, 2, 5]), SPEC);
  assert.equal(new Set(placed.map(({ x, y }) => x + ' ' + y)).size, placed.length);
  placed.forEach((node) => {
    if (node.parent < 0) return;
    const from = placed[node.parent], bend = node.x - SPEC.gap / 2;
    // Right along the parent's row, down between two columns, then into the node.
    assert.ok(placed.every((box) => box.x + box.width <= bend || box.x > bend));
    assert.ok(placed.every((box) => box.row !== from.row || box === from || box.x >= node.x || box.x + box.width <= from.x));
  });
});

test('a very deep tree needs no deep stack', () => {
  const deep = nodes(Array.from({ length: 20000 }, (_, i) => i - 1));
  assert.equal(layOut(deep, SPEC).order.length, 20000);
});
