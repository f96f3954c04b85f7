// Race, numbers, the sentence: what a run amounts to at a step.

const METRICS = [
  ['mean_accepted_tokens', 'Mean accepted tokens', 'tokens a decode step, the model’s own included; 1.0 is plain decoding', 2, ''],
  ['acceptance_rate', 'Acceptance rate', 'accepted draft tokens / draft tokens', 1, '%'],
  ['forward_passes', 'Forward passes', 'the prefill included', 0, ''],
  ['tokens_per_second', 'Tokens per second', 'generated tokens / wall clock, the prefill included', 1, ''],
  ['speedup', 'Speedup', 'wall clock of greedy / of lookahead, end to end', 2, '×'],
  ['decode_speedup', 'Decode speedup', 'the same after the first token', 2, '×'],
  ['retrieve_ms', 'Retrieve', 'mean time a step: asking the trie', 3, 'ms'],
  ['forward_ms', 'Forward', 'the pass through the model', 3, 'ms'],
  ['verify_ms', 'Verify', 'comparing guesses and choices', 3, 'ms'],
  ['commit_ms', 'Commit', 'keeping what was accepted', 3, 'ms'],
];

function tally(run, last) {
  let steps = 0, tokens = 0, emitted = 0, drafted = 0, accepted = 0;
  const ms = [0, 0, 0, 0];
  for (let i = 0; i <= last && i < run.steps.length; i++) {
    const step = run.steps[i];
    tokens += step.emitted.length;
    if (!step.draft) continue;
    steps += 1;
    emitted += step.emitted.length;
    drafted += step.draft.parent.length - 1;
    accepted += step.path.length;
    step.ms.forEach((value, phase) => { ms[phase] += value; });
  }
  const at = run.steps[Math.min(last, run.steps.length - 1)];
  return {
    tokens, forward_passes: Math.min(last + 1, run.steps.length),
    mean_accepted_tokens: steps ? emitted / steps : null,
    acceptance_rate: drafted ? accepted / drafted : null,
    tokens_per_second: at && at.at > 0 ? tokens / at.at : null,
    retrieve_ms: steps ? ms[0] / steps : null, forward_ms: steps ? ms[1] / steps : null,
    verify_ms: steps ? ms[2] / steps : null, commit_ms: steps ? ms[3] / steps : null,
  };
}

function numbersAt(run, position, greedy) {
  const values = tally(run, position);
  if (run.end && position === run.steps.length - 1) {
    for (const name of ['mean_accepted_tokens', 'acceptance_rate', 'tokens_per_second']) values[name] = run.end[name];
  }
  const both = run.end && greedy && greedy.end && greedy.end.finish_reason !== 'cancelled' && run.end.finish_reason !== 'cancelled';
  values.speedup = both && run.end.seconds > 0 ? greedy.end.seconds / run.end.seconds : null;
  values.decode_speedup = both && run.end.decode_seconds > 0 ? greedy.end.decode_seconds / run.end.decode_seconds : null;
  return values;
}

function buildNumbers() {
  for (const [name, title, meaning] of METRICS) {
    const tile = make('div', { 'data-metric': name, 'data-value': '' });
    tile.append(make('dt', {}, title), make('dd', {}, '–'), make('dd', { class: 'means' }, meaning));
    $('#numbers').append(tile);
  }
}

function drawNumbers(run, position, greedy) {
  const values = numbersAt(run, position, greedy);
  $$('#numbers > [data-metric]').forEach((tile, i) => {
    const [name, , , digits, unit] = METRICS[i];
    const value = values[name];
    tile.dataset.value = value === null || value === undefined ? '' : String(value);
    const shown = unit === '%' && value !== null ? 100 * value : value;
    const text = number(shown, digits);
    tile.children[1].textContent = text === '–' ? text : text + (unit ? '\u2009' + unit : '');
  });
  const last = position === run.steps.length - 1 && run.end;
  $('[data-numbers-fact]').textContent = last ? 'of the whole run' : 'up to this step';
}

function tokensAt(run, last) {
  let tokens = 0;
  for (let i = 0; i <= last && i < run.steps.length; i++) tokens += run.steps[i].emitted.length;
  return tokens;
}

function laneText(lane, share, count) {
  const row = $('#race [data-lane="' + lane + '"]');
  row.querySelector('i').style.width = (100 * Math.max(0, Math.min(1, share))).toFixed(2) + '%';
  row.querySelector('.count').textContent = count;
  row.setAttribute('aria-label', lane + ': ' + count);
}

// Both lanes run to the same last token. Over passes both stand after equally many; over time, after equally long.
function drawRace(run, position, greedy, overTime) {
  const all = run.end ? run.end.tokens : Math.max(run.head.limit, 1);
  const tokens = tokensAt(run, position);
  const passes = position + 1;
  const step = run.steps[position];
  const seconds = step ? step.at : 0;
  const total = run.end ? run.steps.length : null;
  const clock = (value) => value < 1 ? (1000 * value).toFixed(0) + ' ms' : value.toFixed(2) + ' s';
  const hint = $('[data-race-hint]');
  const greedyAll = greedy && greedy.end ? greedy.end.tokens : all;
  hint.textContent = '';
  if (!overTime) {
    laneText('lookahead', tokens / all, tokens + ' tokens, ' + passes + (total ? ' of ' + total : '') + ' passes');
    const known = greedy ? tokensAt(greedy, passes - 1) : Math.min(passes, all);
    const of = greedy && greedy.end ? greedy.steps.length : run.end ? all : null;
    laneText('greedy', known / greedyAll, known + ' tokens, ' + Math.min(passes, of || passes) + (of ? ' of ' + of : '') + ' passes');
    if (!greedy) hint.textContent = 'Greedy decoding takes one pass a token; “Compare with greedy” really runs it.';
    else if (!greedy.end) hint.textContent = 'Greedy is running now: ' + plural(greedy.steps.length, 'pass', 'passes') + '.';
    return;
  }
  laneText('lookahead', tokens / all, tokens + ' tokens, ' + clock(seconds) + (run.end ? ' of ' + clock(run.end.seconds) : ''));
  if (!greedy) {
    laneText('greedy', 0, 'not run yet');
    hint.textContent = 'Press “Compare with greedy” to run both, one after the other.';
    return;
  }
  let there = 0;
  while (there < greedy.steps.length && greedy.steps[there].at <= seconds) there++;
  const count = tokensAt(greedy, there - 1);
  laneText('greedy', count / greedyAll, count + ' tokens, ' + clock(seconds) + (greedy.end ? ' of ' + clock(greedy.end.seconds) : ''));
}

function drawBadge(run, greedy) {
  const badge = $('[data-badge]');
  badge.hidden = !(run.end && greedy && greedy.end);
  if (badge.hidden) return;
  const ids = (of) => of.steps.flatMap((step) => step.emitted);
  const mine = ids(run), theirs = ids(greedy);
  const most = Math.min(mine.length, theirs.length);
  let place = 0;
  while (place < most && mine[place][0] === theirs[place][0]) place++;
  const stopped = run.end.finish_reason === 'cancelled' || greedy.end.finish_reason === 'cancelled';
  const same = place === most && (mine.length === theirs.length || stopped);
  badge.classList.toggle('bad', !same);
  badge.dataset.same = same ? 'yes' : 'no';
  if (same) badge.textContent = mine.length === theirs.length ? 'same tokens ✓' : 'same tokens ✓ up to where it was stopped';
  else badge.textContent = '✗ the tokens part at number ' + (place + 1) + ': “' + label((mine[place] || [0, 'end'])[1]) + '” against “' + label((theirs[place] || [0, 'end'])[1]) + '”';
}

function sentence(run, position) {
  const step = run.steps[position];
  if (!step) return 'The model is reading the prompt …';
  if (!step.draft) return 'The model read the prompt in one pass and chose the first token by itself.';
  const guessed = step.draft.parent.length - 1;
  const right = step.path.length;
  if (!guessed) return run.lane === 'greedy' ? 'Greedy decoding: one pass, one token.' : 'The Trie had no guess that was worth its time. The model added 1 token of its own, as in plain decoding.';
  const leaves = new Set(step.draft.parent.map((_, i) => i));
  step.draft.parent.forEach((parent) => leaves.delete(parent));
  const branches = leaves.size > 1 ? ' on ' + leaves.size + ' branches' : '';
  const own = step.emitted.length > right;
  const verdict = right === guessed && right > 1 ? 'all ' + right + ' right' : right ? right + ' right' : 'none right';
  const end = own ? (right ? ', then it added 1 of its own.' : ', so it added 1 of its own.') : ', and the text ended there.';
  return 'The Trie guessed ' + plural(guessed, 'token') + branches + '. The model checked ' + (guessed === 1 ? 'it' : 'them') + ' in one pass: ' + verdict + end;
}
