import assert from 'node:assert/strict';
import test from 'node:test';
import { URL } from 'node:url';

import { linkTo, readLink, withoutExample } from '../../app/web/link.js';

const PAGE = 'http://a.example/app/?decoding_length=16&preset=Story&hide=race#x';

test('what a link says is what is read from it', () => {
  const { address } = linkTo(PAGE, { example: 'edit-code', study: null, run: null, step: 4, pane: 'tree' });
  assert.equal(address, 'http://a.example/app/?decoding_length=16&hide=race&example=edit-code&step=4&pane=tree');
  assert.deepEqual(readLink(new URL(address).search), { example: 'edit-code', study: null, run: null, step: 4, lost: null, pane: 'tree', hide: ['race'], present: false });
});

test('a short prompt travels, a long one does not', () => {
  const short = linkTo(PAGE, { prompt: 'Why? ä&=', document: 'Because.\n' });
  const query = new URL(short.address).searchParams;
  assert.deepEqual([query.get('prompt'), query.get('document'), query.get('preset'), short.missing], ['Why? ä&=', 'Because.\n', null, '']);
  const long = linkTo(PAGE, { prompt: 'a'.repeat(2000) });
  assert.equal(long.missing, 'prompt');
  assert.equal(long.address, 'http://a.example/app/?decoding_length=16&preset=Story&hide=race');
});

test('an expected text travels where there is room for it', () => {
  const of = (expected) => linkTo(PAGE, { prompt: 'Fix it', expected });
  assert.deepEqual([new URL(of('it').address).searchParams.get('expected'), of('it').missing], ['it', '']);
  assert.deepEqual([of('a'.repeat(1500)).missing, new URL(of('a'.repeat(1500)).address).search], ['expected text', '?decoding_length=16&hide=race&prompt=Fix+it']);
  assert.equal(withoutExample(of('it').address), '/app/?decoding_length=16&hide=race');
});

test('a run of a study is named, never a path', () => {
  const { study, run } = readLink('?study=a-b_1&run=0001.json&step=3');
  assert.deepEqual([study, run], ['a-b_1', '0001.json']);
  assert.deepEqual(Object.values(readLink('?study=../x&run=a%2Fb')).slice(1, 3), [null, null]);
});

test('a row of the Lab says what was lost at its step, for a cause that there is', () => {
  const address = '?study=abc&run=0001.json&step=3&row=9&lost=4&cause=';
  assert.deepEqual(readLink(address + 'pays').lost, { step: 3, row: 9, cause: 'pays', tokens: 4, study: 'abc' });
  for (const wrong of [address + 'constructor', address, '?step=3&row=x&lost=4&cause=pays']) assert.equal(readLink(wrong).lost, null);
  assert.equal(withoutExample('http://a.example/' + address + 'pays'), '/');
});

test('what does not exist is left out', () => {
  const { step, pane, hide } = readLink('?step=-1&pane=constructor&hide=a"]x,race');
  assert.deepEqual([step, pane, hide], [null, null, ['race']]);
  assert.equal(withoutExample('http://a.example/?example=x&step=2&pane=tree&strategy=single'), '/?strategy=single');
});
