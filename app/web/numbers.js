// What a run amounts to at a step: sums that grow with the steps, and the tiles that show them.

const METRICS = [
  ['mean_accepted_tokens', 'Mean accepted tokens', 'tokens a decode step brings, the model’s own one included; plain decoding has 1.0', 2, ''],
  ['acceptance_rate', 'Acceptance rate', 'accepted draft tokens / draft tokens', 1, '%'],
  ['forward_passes', 'Forward passes', 'through the model, the prefill included', 0, ''],
  ['tokens_per_second', 'Tokens per second', 'generated tokens / wall clock, the prefill included', 1, ''],
  ['speedup', 'Speedup', 'wall clock of greedy / of lookahead, end to end', 2, '×'],
  ['decode_speedup', 'Decode speedup', 'the same after the first token', 2, '×'],
  ['retrieve_ms', 'Retrieve', 'asking the trie, mean time a step', 3, 'ms'],
  ['forward_ms', 'Forward', 'the pass through the model', 3, 'ms'],
  ['verify_ms', 'Verify', 'guesses against the model’s choices', 3, 'ms'],
  ['commit_ms', 'Commit', 'keeping what was accepted', 3, 'ms'],
];
const NOTHING = { tokens: 0, steps: 0, emitted: 0, drafted: 0, accepted: 0, ms: [0, 0, 0, 0] };

// Sums up to a step; each is worked out once, from the one before.
function sumsAt(run, last) {
  run.sums ||= [];
  for (let i = run.sums.length; i <= last && i < run.steps.length; i++) {
    const before = i ? run.sums[i - 1] : NOTHING;
    const step = run.steps[i];
    const decoded = step.draft ? 1 : 0;
    run.sums.push({
      tokens: before.tokens + step.emitted.length,
      steps: before.steps + decoded,
      emitted: before.emitted + decoded * step.emitted.length,
      drafted: before.drafted + (decoded ? step.draft.parent.length - 1 : 0),
      accepted: before.accepted + step.path.length,
      ms: decoded ? before.ms.map((value, phase) => value + step.ms[phase]) : before.ms,
    });
  }
  return run.sums[Math.min(last, run.sums.length - 1)] || NOTHING;
}

const tokensAt = (run, last) => sumsAt(run, last).tokens;

function numbersAt(run, position, greedy) {
  const sums = sumsAt(run, position);
  const at = run.steps[position];
  const mean = (value) => (sums.steps ? value / sums.steps : null);
  const values = {
    forward_passes: Math.min(position + 1, run.steps.length),
    mean_accepted_tokens: mean(sums.emitted),
    acceptance_rate: sums.drafted ? sums.accepted / sums.drafted : null,
    tokens_per_second: at && at.at > 0 ? sums.tokens / at.at : null,
    retrieve_ms: mean(sums.ms[0]), forward_ms: mean(sums.ms[1]), verify_ms: mean(sums.ms[2]), commit_ms: mean(sums.ms[3]),
  };
  if (run.end && position === run.steps.length - 1) {
    for (const name of ['mean_accepted_tokens', 'acceptance_rate', 'tokens_per_second']) values[name] = run.end[name];
  }
  const both = whole(run) && greedy && whole(greedy);
  values.speedup = both && run.end.seconds > 0 ? greedy.end.seconds / run.end.seconds : null;
  values.decode_speedup = both && run.end.decode_seconds > 0 ? greedy.end.decode_seconds / run.end.decode_seconds : null;
  return values;
}

const whole = (run) => run.end && !['cancelled', 'error'].includes(run.end.finish_reason);

let tiles = [];

function buildNumbers() {
  for (const [name, title, meaning] of METRICS) {
    const tile = make('div', { 'data-metric': name, 'data-value': '' });
    tile.append(make('dt', {}, title), make('dd', {}, '–'), make('dd', { class: 'means' }, meaning));
    tiles.push(tile);
  }
  $('#numbers').append(...tiles);
}

function drawNumbers(run, position, greedy) {
  const values = numbersAt(run, position, greedy);
  tiles.forEach((tile, i) => {
    const [name, , , digits, unit] = METRICS[i];
    const value = values[name];
    tile.dataset.value = value === null || value === undefined ? '' : String(value);
    const text = number(unit === '%' && value !== null ? 100 * value : value, digits);
    put(tile.children[1], text === '–' ? text : text + (unit ? '\u2009' + unit : ''));
  });
  put($('[data-numbers-fact]'), position === run.steps.length - 1 && run.end ? 'of the whole run' : 'up to this step' + (values.speedup === null ? '' : '; speedups of the whole run'));
  drawParts([values.retrieve_ms, values.forward_ms, values.verify_ms, values.commit_ms]);
  const saved = values.speedup === null ? '' : ' Here greedy decoding took ' + number(greedy.steps.length / run.steps.length, 1) + ' times as many passes and ' + number(values.speedup, 1) + ' times as long.';
  put($('[data-not-speedup]'), 'Passes saved is not speedup: a wide pass takes longer than a narrow one, so only the wall clock tells.' + saved);
}

// Where the time of a step goes, as shares of one bar; the numbers stand in the tiles.
function drawParts(ms) {
  const total = ms.reduce((sum, value) => sum + (value || 0), 0);
  $$('[data-part]').forEach((part, i) => { part.style.flexGrow = total ? String((ms[i] || 0) / total) : '0'; });
  put($('[data-step-time]'), total ? number(total, 2) + ' ms a step:' : 'No step was decoded yet.');
  $$('[data-share]').forEach((share, i) => put(share, ['retrieve', 'forward', 'verify', 'commit'][i] + (total ? ' ' + percent(ms[i] / total) : '')));
}
