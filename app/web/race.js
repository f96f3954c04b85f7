// The race of the two lanes, whether they wrote the same, and the sentence that says what a step did.

function laneText(lane, share, count) {
  const row = $('#race [data-lane="' + lane + '"]');
  row.querySelector('i').style.transform = 'translateX(' + (100 * Math.max(0, Math.min(1, share)) - 100).toFixed(2) + '%)';
  put(row.querySelector('.count'), count);
}

const clock = (seconds) => (seconds < 1 ? (1000 * seconds).toFixed(0) + ' ms' : seconds.toFixed(2) + ' s');

// How many steps had ended by then.
function stepsBy(run, seconds) {
  let low = 0, high = run.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.steps[middle].at <= seconds) low = middle + 1; else high = middle;
  }
  return low;
}

// Both lanes run to the same last token. Over passes both stand after equally many; over time, after equally long.
function drawRace(run, position, greedy, overTime) {
  const goal = Math.max(0, ...[run, greedy].filter((lane) => lane && whole(lane)).map((lane) => lane.end.tokens)) || Math.max(run.head.limit, 1);
  const all = whole(run) ? run.end.tokens : goal;
  const tokens = tokensAt(run, position);
  const passes = position + 1;
  const step = run.steps[position];
  const seconds = step ? step.at : 0;
  const over = run.end && passes === run.steps.length;
  const greedyAll = greedy && whole(greedy) ? greedy.end.tokens : goal;
  const mine = run.lane === 'greedy' ? 'greedy' : 'lookahead';
  put($('[data-race-hint]'), raceHint(run, greedy, overTime));
  const of = (lane, value) => (lane && whole(lane) ? ' of ' + value(lane) : '');
  const passesOf = (lane) => plural(lane.steps.length, 'pass', 'passes');
  const timeOf = (lane) => clock(lane.end.seconds);
  if (mine === 'greedy') laneText('lookahead', 0, 'not run');
  if (!overTime) {
    laneText(mine, tokens / all, plural(tokens, 'token') + ', ' + (whole(run) ? passes + of(run, passesOf) : plural(passes, 'pass', 'passes')) + (over ? outcome(run) : ''));
    if (mine === 'greedy') return;
    if (!greedy) {  // known without a run: a token a pass
      const taken = Math.min(passes, all);
      laneText('greedy', taken / all, 'would have ' + plural(taken, 'token') + of(run, (lane) => lane.end.tokens));
      return;
    }
    const taken = Math.min(passes, greedy.steps.length);
    const known = tokensAt(greedy, taken - 1);
    const done = greedy.end && taken === greedy.steps.length ? outcome(greedy) : '';
    laneText('greedy', known / greedyAll, plural(known, 'token') + ', ' + (whole(greedy) ? taken + of(greedy, passesOf) : plural(taken, 'pass', 'passes')) + done);
    return;
  }
  laneText(mine, tokens / all, plural(tokens, 'token') + ', ' + clock(seconds) + of(run, timeOf) + (over ? outcome(run) : ''));
  if (mine === 'greedy') return;
  if (!greedy) { laneText('greedy', 0, 'not run yet'); return; }
  const count = tokensAt(greedy, stepsBy(greedy, seconds) - 1);
  const there = greedy.end && seconds >= greedy.end.seconds;
  laneText('greedy', count / greedyAll, plural(count, 'token') + ', ' + clock(there ? greedy.end.seconds : seconds) + of(greedy, timeOf) + (there ? outcome(greedy) : ''));
}

// What stands behind a lane at its last step.
const outcome = (lane) => (whole(lane) ? ' ✓' : lane.end.finish_reason === 'error' ? ', broke off' : ', stopped');

function raceHint(run, greedy, overTime) {
  if (run.lane === 'greedy') return 'Greedy decoding takes one pass a token.';
  if (!greedy) return overTime ? 'Press “Compare with greedy” to run both, one after the other.' : 'Greedy decoding takes one pass a token; “Compare with greedy” really runs it, after lookahead.';
  if (!greedy.end) return 'Greedy is running now: ' + plural(greedy.steps.length, 'pass', 'passes') + '.';
  if (!whole(run) || !whole(greedy)) return 'One of the two did not come to its end, so their times are not compared.';
  const passes = plural(run.steps.length, 'forward pass', 'forward passes');
  const each = ', each lane run by itself on the same model.';
  if (compared(run, greedy).same) return plural(run.end.tokens, 'token') + ': ' + passes + ' instead of ' + greedy.steps.length + ', ' + clock(run.end.seconds) + ' instead of ' + clock(greedy.end.seconds) + '. Same tokens' + each;
  return 'Not the same tokens: lookahead wrote ' + run.end.tokens + ' in ' + passes + ' and ' + clock(run.end.seconds) + ', greedy ' + greedy.end.tokens + ' in ' + greedy.steps.length + ' and ' + clock(greedy.end.seconds) + each;
}

// The tokens of both lanes, and the place of the first that differs; worked out once for two finished runs.
function compared(run, greedy) {
  if (greedy.compared && greedy.compared.run === run) return greedy.compared;
  const ids = (of) => of.steps.flatMap((step) => step.emitted);
  const mine = ids(run), theirs = ids(greedy);
  const most = Math.min(mine.length, theirs.length);
  let place = 0;
  while (place < most && mine[place][0] === theirs[place][0]) place++;
  const same = place === most && (mine.length === theirs.length || !whole(run) || !whole(greedy));
  greedy.compared = { run, mine, theirs, place, same };
  return greedy.compared;
}

function drawBadge(run, greedy) {
  const badge = $('[data-badge]');
  badge.hidden = !(run.end && greedy && greedy.end);
  if (badge.hidden || badge.dataset.of === run.id + greedy.id) return;
  badge.dataset.of = run.id + greedy.id;
  const { mine, theirs, place, same } = compared(run, greedy);
  badge.classList.toggle('bad', !same);
  badge.dataset.same = same ? 'yes' : 'no';
  if (same) badge.textContent = mine.length === theirs.length ? 'same tokens ✓' : 'same tokens ✓ up to where one of them ended';
  else badge.textContent = '✗ the tokens part at number ' + (place + 1) + ': “' + label((mine[place] || [0, 'end'])[1]) + '” against “' + label((theirs[place] || [0, 'end'])[1]) + '”' + parting(greedy.end.parted);
}

// How close the model's decision was where the two runs part.
function parting(parted) {
  if (!parted) return '';
  const apart = parted.gap ? ', whose logits are ' + parted.gap.toPrecision(2) + ' apart' : ', whose logits are equal';
  return apart + (parted.near_tie ? ': a near tie in ' + parted.dtype : ': more than rounding explains, please report it');
}

const draftsOff = (run) => run.head.config.decoding_length < 2;

// Pieces of text, each with the class that colours it.
function sentence(run, position) {
  const step = run.steps[position];
  if (!step) return [[run.end ? 'The run ' + brokeOff(run) + '.' : 'The model is reading the prompt …']];
  if (!step.draft) return [['The model read the prompt in one pass and chose the first token by itself.']];
  const guessed = step.draft.parent.length - 1;
  const right = step.path.length;
  if (!guessed && run.lane === 'greedy') return [['Greedy decoding: one pass, one token.']];
  if (!guessed) return [[(draftsOff(run) ? 'With decoding_length 1 the Trie is not asked.' : !run.head.config.sources.length ? 'With no source the Trie has nothing to guess from.' : 'The Trie had no guess that was worth its time.') + ' The model added 1 token of its own, as in plain decoding.']];
  const inner = new Set(step.draft.parent);
  const leaves = step.draft.parent.filter((_, i) => !inner.has(i)).length;
  const branches = leaves > 1 ? ' on ' + leaves + ' branches' : '';
  const own = step.emitted.length > right;
  const verdict = right === guessed && right > 1 ? 'all ' + right + ' right' : right ? right + ' right' : 'none right';
  return [
    ['The Trie guessed '], [plural(guessed, 'token'), 's-guess'], [branches + '. The model checked ' + (guessed === 1 ? 'it' : 'them') + ' in one pass: '],
    [verdict, right ? 's-right' : 's-wrong'], own ? [right ? ', then it added ' : ', so it added '] : [', and the text ended there.'],
    ...(own ? [['1 of its own', 's-own'], ['.']] : []),
  ];
}

let said = '';

function drawSentence(run, position) {
  const pieces = sentence(run, position);
  const text = pieces.map((piece) => piece[0]).join('');
  if (text === said) return;
  said = text;
  const place = $('#sentence');
  // Read out when the step is chosen by hand, not at every step of a playing run.
  place.setAttribute('aria-live', scene.playing || scene.live ? 'off' : 'polite');
  place.replaceChildren(...pieces.map(([words, kind]) => (kind ? make('b', { class: kind }, words) : document.createTextNode(words))));
}
