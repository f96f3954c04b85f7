// The Lab: what to study, with which settings; the run; and the study, which grows while it runs.

import { mountStudy } from '../../../lookahead/report/study_view.js';
import { clock, oneLine } from '../../../lookahead/report/words.js';
import { all, button, input, on, one, press, put } from '../lib/dom.js';
import { mountMaterial, withLine } from './material.js';
import { check, fileOf, kept, listen, measure, start, stop, watchAddress } from './questions.js';
import { connectCards, limitControl, mountSettings } from './settings.js';

/** @import { Machine, Row, Study } from '../../../lookahead/report/study' */
/** @import { Material } from './material.js' */
/** @import { Progress } from './questions.js' */

const facts = JSON.parse(document.body.dataset.facts || '{}'), query = new URLSearchParams(location.search);
const [run, halt, about, problem] = [button(document, '[data-run]'), button(document, '[data-stop]'), one(document, '[data-about]'), one(document, '[data-problem]')];

/** @type {Material | null} */ let material = null;
/** @type {string | null} */ let id = null; // of the study on the screen; null: the example
/** @type {Study | null} */ let study = null;
/** @type {Machine | null} */ let machine = null; // T(n), measured again
let running = false, ready = false, of = 0, quit = () => { /* nothing is heard yet */ };

const view = mountStudy(one(document, 'main'), {
  ...facts,
  measure: measureAgain,
  address: watched,
  use(config) {
    settings.set('b', config);
    tell(material ? 'B is set' + (config.start === 'warm' ? ' (warm: it keeps the outputs of the earlier prompts)' : '') + ': run again to see it on every prompt.' : 'B is set: choose your prompts, then run.');
    (material ? run : one(document, '[data-open=material]')).focus();
  },
});
const settings = mountSettings(facts.knobs, facts.sources, facts.corpus, offerRun), limit = limitControl(facts.limit);
connectCards();
mountMaterial(facts.samples, (taken) => {
  material = taken;
  fail('');
  stale();
  examine(taken);
}, fail);

/** Reads a file on the server; Run stays disabled until that is known to be possible. @param {Material} wanted */
async function examine(wanted) {
  ready = false;
  limit.show(false);
  offerRun();
  const { error, recorded, silent } = await check(wanted);
  if (material !== wanted) return;
  if (error) fail(withLine(error, wanted));
  ready = !error || !!silent;
  limit.show(ready && !recorded);
  offerRun();
}

/** Says that what is below is not of the file that was chosen. */
function stale() {
  if (!study || !material) return;
  one(document, 'main').setAttribute('data-old', '');
  tell('Below is still ' + (id ? 'the study of ' + oneLine(study.title) : 'the example') + ', not yet ' + material.name + '.');
}

/** Where a row can be watched; those of the example are the recorded runs of the Watch page. @param {Row} row */
function watched(row) {
  const place = study ? study.rows.indexOf(row) : 0, example = row.name.replace(/\.json$/, '');
  if (id) return row.run ? watchAddress({ study: id, run: row.run }, row, place) : null;
  return facts.examples.includes(example) ? watchAddress({ example }, row, place) : null;
}

const again = press('Measure T(n) again', measureAgain, { class: 'link', 'data-measure': '' });
view.pay.append(again);
on(run, 'click', () => { if (material && limit.valid()) begin(material); });
on(halt, 'click', async () => {
  halt.disabled = true;
  if (id) fail((await stop(id)).error || '');
});
for (const link of all(document, 'a[data-page]')) if (query.has('__theme')) link.setAttribute('href', link.getAttribute('href') + '?__theme=' + encodeURIComponent(String(query.get('__theme'))));
open(query.get('study'));

function offerRun() {
  run.hidden = running || !material;
  run.disabled = !ready;
  one(document, '[data-open=material]').classList.toggle('primary', !material);
}

/** @param {string} words */
function fail(words) {
  put(problem, words);
  problem.hidden = !words;
}

const tell = (/** @type {string} */ words) => put(about, words);

/** Shows a study that the server still has, or else the example. @param {string | null} wanted */
async function open(wanted) {
  let answer = await kept(wanted);
  if (wanted && answer.error) {
    fail(answer.error + ' Below is the example.');
    answer = await kept(null);
    address(null);
  } else id = wanted;
  if (answer.error) return fail(answer.error);
  show(answer);
  if (!id && material) return stale();
  tell(id ? '' : 'This is an example: the ' + answer.rows.length + ' recorded runs of the Watch page. Choose your own prompts, a run file or recorded traffic, or drop a file anywhere.');
  if (id) hear(id);
}

/** @param {Study} next */
function show(next) {
  study = next;
  one(document, 'main').removeAttribute('data-old');
  const others = next.machines.filter(({ name }) => name !== machine?.name), first = others.length < next.machines.length;
  view.show(machine ? { ...next, machines: first ? [machine, ...others] : [...others, machine] } : next, running ? of : 0);
  const links = one(document, '.export');
  links.hidden = !id;
  for (const link of all(links, 'a')) if (id) link.setAttribute('href', fileOf(id, String(link.dataset.export)));
}

/** @param {string | null} of the id that the address names, so that a reload shows the same study */
function address(of) {
  id = of;
  if (of) query.set('study', of);
  else query.delete('study');
  const search = query.toString();
  history.replaceState(null, '', location.pathname + (search ? '?' + search : ''));
}

/** @param {Material} wanted */
async function begin(wanted) {
  const before = id;
  go(true);
  fail('');
  tell('');
  showProgress('Reading ' + wanted.name + ' …', 0);
  const answer = await start({ ...wanted, settings: settings.list(), plain: input(document, '[data-plain]').checked, sweep: input(document, '[data-sweep]').checked, max_new_tokens: limit.value() });
  if (!answer.id) {
    go(false);
    stale();
    return fail(answer.error || 'The server did not start the study.');
  }
  address(answer.id);
  one(document, 'main').setAttribute('data-old', ''); // until it has found something
  hear(answer.id, () => {
    address(before);
    stale();
  });
}

/** @param {string} from id of a study @param {() => void} [nothing] called at the end if it found nothing */
function hear(from, nothing) {
  let found = false, comes = !nothing; // the page was opened with this study
  quit();
  go(true);
  of = 0;
  quit = listen(from, ({ asked, progress, study: next, error, end }) => {
    if (asked && comes) {
      settings.set('a', asked.settings);
      settings.set('b', asked.other);
    }
    if (asked) comes = false; // a stream that is heard again must not undo what was changed since
    if (progress && ['running', 'replaying'].includes(progress.what)) of = progress.of;
    if (next) {
      found = true;
      show(next);
    }
    if (progress) showProgress(sayProgress(progress), progress.of ? progress.done / progress.of : 0);
    if (error) fail(error);
    if (end || error) {
      if (!found) nothing?.();
      go(false);
      if (found && study) show(study);
    }
  });
}

/** @param {Progress} progress */
function sayProgress({ what, done, of, seconds_left: seconds }) {
  const left = seconds === null || seconds === undefined ? '' : ' · about ' + clock(Math.max(1, Math.round(seconds))).replace('.0', '') + ' left';
  return what.charAt(0).toUpperCase() + what.slice(1) + (of > 1 ? ' · ' + Math.min(of, Math.floor(done) + 1) + ' of ' + of : '') + left;
}

/** @param {string} words @param {number} share 0 to 1 */
function showProgress(words, share) {
  put(one(document, '[data-progress-says]'), words);
  /** @type {HTMLProgressElement} */ (one(document, 'progress')).value = share;
}

/** @param {boolean} now whether a study runs */
function go(now) {
  running = now;
  document.body.toggleAttribute('data-running', running);
  one(document, '[data-progress]').hidden = !running;
  halt.hidden = !running;
  halt.disabled = false;
  offerRun();
}

async function measureAgain() {
  again.disabled = true;
  fail('');
  put(again, 'Measuring …');
  const answer = await measure();
  again.disabled = false;
  put(again, 'Measure T(n) again');
  if (!answer.machine) return fail(answer.error || 'T(n) could not be measured.');
  machine = { ...answer.machine, again: true };
  if (study) show(study);
  tell('T(n) was just measured on this server; the plot of break-even uses it. Times by T(n) in the table are computed with the one before: run again for new ones.');
}
