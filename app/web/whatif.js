// What if: other settings on the finished run, replayed without the model.

const ROWS = [
  ['mean_accepted_tokens', 'Mean accepted tokens', 2, 1], ['acceptance_rate', 'Acceptance rate, %', 1, 100], ['forward_passes', 'Forward passes', 0, 1],
  ['draft_tokens_per_step', 'Draft tokens a step', 1, 1], ['decode_seconds', 'Decode time, ms', 0, 1000],
];
const CHOICES = ['strategy', 'budget', 'ranking'];
let knobsFor = null;
let waits = false; // for greedy decoding, which is being timed

function showWhatIf(run) {
  const panel = $('#what-if');
  const hidden = !run.end || run.lane !== 'lookahead' || run.end.tokens < 2;
  if (panel.hidden !== hidden) panel.hidden = hidden;
  if (hidden) return;
  if (knobsFor !== run.id) { knobsFor = run.id; setKnobs(run); }
  else if (waits && ended(run)) replay();
}

function setKnobs(run) {
  const config = run.head.config;
  $('[data-knob="decoding_length"]').value = config.decoding_length;
  $('[data-knob="branch_length"]').value = config.branch_length || 0;
  for (const name of CHOICES) $('[data-knob="' + name + '"]').value = config[name];
  $('[data-corpus-knob]').hidden = !run.head.corpus;
  $$('[data-source-knob]').forEach((box) => { box.checked = config.sources.includes(box.dataset.sourceKnob); });
  replay();
}

const askWhatIf = asker((question) => server.what_if(question), (answer, question) => {
  if (!main() || main().id !== question.run) return;
  const hint = $('[data-what-if-hint]');
  if (answer.error) { put(hint, answer.error); return; }
  put(hint, 'The same tokens, since greedy verification fixes the output. ' + exactness(answer) + '≈ is an estimate from the measured T(n), the time of a pass of n tokens.');
  $('[data-what-if-rows]').replaceChildren(...ROWS.map(([name, title, digits, factor]) => {
    const row = make('tr', { 'data-what-if': name });
    const cell = (value) => number(value === null ? null : factor * value, digits);
    const real = cell(answer.real[name]), estimate = cell(answer.estimate[name]);
    row.append(make('th', { scope: 'row' }, title), make('td', {}, real));
    row.append(make('td', real === estimate ? {} : { class: 'other' }, name === 'decode_seconds' && estimate !== '–' ? '≈ ' + estimate : estimate));
    return row;
  }));
});

// Only where the replay with the run's own settings is the run itself, all that its drafts came from is known.
function exactness(answer) {
  if (answer.exact) return 'Passes and acceptance are exact; ';
  const was = answer.real.forward_passes;
  const other = answer.again === was ? 'other steps' : plural(answer.again, 'pass', 'passes') + ' instead of ' + was;
  const why = answer.again > was ? ' It drafted from what is not known here (outputs of earlier runs, a corpus), or another version made it.' : '';
  return 'Not exact: replayed with its own settings, this run takes ' + other + '.' + why + ' Compare with that replay; ';
}

function replay() {
  const config = {};
  for (const name of ['decoding_length', 'branch_length']) {
    config[name] = +$('[data-knob="' + name + '"]').value;
    put($('[data-out="' + name + '"]'), name === 'branch_length' && !config[name] ? 'no limit' : String(config[name]));
  }
  for (const name of CHOICES) config[name] = $('[data-knob="' + name + '"]').value;
  config.sources = $$('[data-source-knob]').filter((box) => box.checked).map((box) => box.dataset.sourceKnob);
  waits = !ended(main());
  if (!waits) { askWhatIf({ run: main().id, config }); return; }
  $('[data-what-if-rows]').replaceChildren();
  put($('[data-what-if-hint]'), 'Greedy decoding is being timed; these settings are replayed when it has ended.');
}
