import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { URL } from 'node:url';

import { CHAPTERS } from '../../app/web/learn/chapters.js';

const web = (path) => existsSync(new URL('../../app/web/' + path, import.meta.url));

test('there are eight chapters, each with a picture, and cards for panes that exist', () => {
  assert.equal(new Set(CHAPTERS.map(({ slug }) => slug)).size, 8);
  for (const { slug, panes } of CHAPTERS) {
    assert.ok(web('learn/lessons/' + slug + '.js'), slug);
    for (const pane of panes) assert.ok(web('panes/' + pane + '.js'), pane);
  }
  const explained = CHAPTERS.flatMap(({ panes }) => panes);
  assert.equal(new Set(explained).size, explained.length);
});

for (const { slug, text, task, options } of CHAPTERS) {
  test('chapter ' + slug + ' is short, and its question has one right answer', () => {
    const words = [...text, task].join(' ').split(/\s+/).length;
    assert.ok(words <= 90, words + ' words');
    assert.equal(options.filter(({ right }) => right).length, 1);
    for (const { why, right } of options) assert.equal(why.startsWith('Right'), !!right);
  });
}
