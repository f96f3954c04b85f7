import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { URL } from 'node:url';
import vm from 'node:vm';

/** What reaches the console of a page with this script, and the page's clock. */
function page() {
  const seen = [], clock = { now: 10_000 };
  const console = { error: (...what) => { seen.push(what.join(' ')); } };
  const nothing = () => {};
  vm.runInNewContext(readFileSync(new URL('../../app/web/page.js', import.meta.url), 'utf8'), {
    console, document: { addEventListener: nothing }, performance: { now: () => clock.now },
  });
  return { seen, clock, error: console.error };
}

const CUT = Object.assign(new Error('The user aborted a request.'), { name: 'AbortError' });
const BROKEN = 'Unexpected error Connection errored out. ';

test('a page that is left during a run is quiet', () => {
  const { seen, error } = page();
  error(CUT);
  error('Unexpected error', new Error('Connection errored out.'));
  assert.deepEqual(seen, []);
});

test('a connection that breaks by itself is an error, and so is everything else', () => {
  const { seen, clock, error } = page();
  error(BROKEN);
  error(CUT);
  error('Something', 'else');
  clock.now += 1000;
  error(BROKEN);
  assert.deepEqual(seen, [BROKEN, 'Something else', BROKEN]);
});
