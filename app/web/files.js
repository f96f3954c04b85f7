// Run files: saved, opened, and kept for a reload.

// What the server answers; where it cannot be reached Gradio gives nothing.
const answerTo = async (asked) => (await asked) || { error: 'the server did not answer' };

// The text of the run's file, with greedy decoding in it where that was run, too.
const fileOf = (run, beside) => answerTo(server.run_file({ run: run.id, greedy: beside && beside.end ? beside.id : null }));

let kept = 0;

// What is on the stage, running or finished: for as long as the server has it, it is there again after a reload.
const keepIds = () => sessionStorage.setItem(KEPT_IDS, JSON.stringify([main(), rival()].filter(Boolean).map((lane) => lane.id)));

// The ids at once; then the file, without greedy decoding where both are too much.
async function remember() {
  if (scene.recorded || scene.restoring || !main().end) return;
  const mine = ++kept;
  const run = main();
  const beside = rival() && rival().end ? rival() : null;
  sessionStorage.removeItem(KEPT);
  keepIds();
  if (!ended(run)) return;  // the other lane is being timed
  for (const other of [beside, null]) {
    const answer = await fileOf(run, other);
    if (answer.error || mine !== kept) return;
    try { sessionStorage.setItem(KEPT, answer.text); return; } catch { sessionStorage.removeItem(KEPT); }
  }
}

// As long as it can be stopped: a pair that was stopped between its two lanes has no other end.
const going = () => main() && !scene.recorded && !ended(main()) && document.querySelector('#stop:enabled');

async function openText(text, note) {
  const answer = await answerTo(server.open_run({ text, note }));
  return answer.error || takeOver(answer.messages);
}

function takeOver(messages) {
  if (going()) return 'a run is going; open it when that has ended';
  scene.recorded = false;
  scene.restoring = true;
  startScene();
  for (const message of messages) gone.delete(message.run);
  messages.forEach(apply);
  scene.restoring = false;
  scene.position = 0;
  schedule();
  trigger('select', { run: main().id });
  return null;
}

// While the server has the run itself, it also knows the earlier outputs and the corpus that it was drafted from. One
// that was left in its middle ends when the server finds its page gone, a moment later.
async function onServer(note) {
  const ids = JSON.parse(sessionStorage.getItem(KEPT_IDS) || '[]');
  const asked = () => Promise.all(ids.map((run) => answerTo(server.steps({ run, from: 0 }))));
  let messages = await asked();
  for (let tries = 0; tries < 20 && messages.some((message) => !message.end && !message.error); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    messages = await asked();
  }
  const there = ({ end, steps }) => end && (steps.length || end.finish_reason !== 'cancelled');
  if (!messages.length || !messages.every(there)) return null;
  const head = (message) => ({ ...message.head, lanes: messages.length, note: [note, message.head.note].filter(Boolean).join(' · ') });
  return messages.map((message) => ({ ...message, head: head(message) }));
}

async function restore() {
  const note = 'restored after a reload';
  const text = sessionStorage.getItem(KEPT);
  const messages = await onServer(note);
  if (!messages && !text) return false;
  const problem = messages ? takeOver(messages) : await openText(text, note);
  if (problem) { if (!going()) sessionStorage.removeItem(KEPT); return false; }
  if (messages) remember();
  go(1e9);
  return true;
}

async function openFile(input) {
  const file = input.files[0];
  const hint = $('[data-file-hint]');
  if (!file) return;
  input.value = '';  // at once: cleared at the end, it would take away the file that was chosen meanwhile
  put(hint, 'Opening ' + file.name + ' …');
  try {
    const problem = file.size > 32e6 ? 'larger than 32 MB' : await openText(await file.text(), 'opened from ' + file.name.slice(0, 40));
    put(hint, problem ? file.name + ': ' + problem : file.name + ' is open.');
    if (!problem) { if (still.matches) go(1e9); else play(); await remember(); }
  } catch (error) {
    put(hint, file.name + ': cannot be read.');
  }
}

async function saveRun() {
  const answer = await fileOf(main(), rival());
  if (answer.text) save('run.json', answer.text, 'application/json');
  if (!answer.text || answer.note) put($('[data-file-hint]'), answer.error || answer.note);
}

async function saveGraph() {
  const answer = await answerTo(server.graph_file({ run: main().id, step: scene.position }));
  if (answer.text) save('trie-step-' + scene.position + '.graphml', answer.text, 'application/xml');
  else put($('[data-trie-hint]'), answer.error);
}
