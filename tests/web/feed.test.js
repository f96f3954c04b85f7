import assert from 'node:assert/strict';
import test, { mock } from 'node:test';
import { URL } from 'node:url';

import { makeFeed } from '../../app/web/feed.js';

const STEPS = new URL('../../app/steps', import.meta.url).href; // beside the folder of the modules

/** Stands in for the browser's EventSource: a test says what comes. */
class Stream {
  static CLOSED = 2;
  static all = [];
  readyState = 0;
  constructor(address) { this.address = address; Stream.all.push(this); }
  close() { this.readyState = Stream.CLOSED; }
  say(message) { this.onmessage({ data: JSON.stringify(message) }); }
  refuse() { this.readyState = Stream.CLOSED; this.onerror(); }
}

const step = (i) => ({ i, emitted: [[i, 'x', 'bonus']], path: [], draft: null });
const message = (from, steps, more) => ({ run: 'a', method: 'lookahead', from, steps: steps.map(step), head: null, end: null, ...more });

function feed() {
  Stream.all = [];
  Object.assign(globalThis, { EventSource: Stream });
  const heard = [];
  return { feed: makeFeed((run) => heard.push(run.steps.length)), heard };
}

test('a run grows by its stream and ends', () => {
  const { feed: runs, heard } = feed();
  runs.open('a');
  runs.open('a');
  const [stream] = Stream.all;
  assert.equal(Stream.all.length, 1);
  assert.equal(stream.address, STEPS + '?run=a&from=0');
  stream.say(message(0, [0, 1], { head: { prompt: [] } }));
  stream.say(message(1, [1, 2]));  // a step that is known already
  stream.say(message(3, [], { end: { tokens: 3 } }));
  assert.deepEqual(heard, [2, 3, 3]);
  assert.deepEqual(runs.runs.get('a').steps.map(({ i }) => i), [0, 1, 2]);
  assert.equal(stream.readyState, Stream.CLOSED);
});

test('a gap is filled by a stream from where the run is', () => {
  const { feed: runs } = feed();
  runs.open('a');
  Stream.all[0].say(message(0, [0], { head: {} }));
  Stream.all[0].say(message(5, [5]));
  assert.equal(Stream.all[1].address, STEPS + '?run=a&from=1');
  assert.equal(runs.runs.get('a').steps.length, 1);
});

test('a stream that was refused is asked again, and no more than a few times', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { feed: runs } = feed();
  runs.open('a');
  for (let i = 0; i < 20; i++) {
    Stream.all.at(-1).refuse();
    mock.timers.tick(1000);
  }
  assert.equal(Stream.all.length, 6);
  mock.timers.reset();
});

test('nothing more is heard of a run that was dropped', () => {
  const { feed: runs, heard } = feed();
  runs.open('a');
  const [stream] = Stream.all;
  stream.say(message(0, [0], { head: {} }));
  runs.drop('a');
  stream.say(message(0, [0, 1], { head: {} }));
  assert.deepEqual(heard, [1]);
  assert.equal(runs.runs.size, 0);
  assert.equal(stream.readyState, Stream.CLOSED);
});
