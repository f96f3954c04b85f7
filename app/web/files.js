// Run files: saved, opened, and kept for a reload.

async function remember() {
  if (scene.recorded || scene.restoring) return;
  const kept = [];
  for (const run of [scene.lookahead, scene.greedy]) {
    if (!run || !run.end) continue;
    const answer = await server.run_file({ run: run.id });
    if (!answer.error) kept.push(answer.text);
  }
  try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { sessionStorage.removeItem(KEPT); }
}

async function openTexts(texts, note) {
  const answers = [];
  for (const text of texts) answers.push(await server.open_run({ text, note }));
  const failed = answers.find((answer) => answer.error);
  if (failed) return failed.error;
  scene.recorded = false;
  scene.restoring = true;
  scene.lookahead = scene.greedy = null;
  answers.forEach(apply);
  scene.restoring = false;
  scene.position = 0;
  schedule();
  return null;
}

async function restore() {
  let texts = null;
  try { texts = JSON.parse(sessionStorage.getItem(KEPT)); } catch { texts = null; }
  if (!Array.isArray(texts) || !texts.length) return false;
  const problem = await openTexts(texts, 'restored after a reload');
  if (problem) { sessionStorage.removeItem(KEPT); return false; }
  go(1e9);
  return true;
}

async function openFile(input) {
  const file = input.files[0];
  const hint = $('[data-file-hint]');
  if (!file) return;
  put(hint, 'Opening ' + file.name + ' …');
  try {
    const problem = file.size > 32e6 ? 'larger than 32 MB' : await openTexts([await file.text()], 'opened from ' + file.name.slice(0, 40));
    put(hint, problem ? file.name + ': ' + problem : file.name + ' is open.');
    if (!problem) { await remember(); if (still.matches) go(1e9); else play(); }
  } catch (error) {
    put(hint, file.name + ': cannot be read.');
  }
  input.value = '';
}

async function saveRun() {
  const answer = await server.run_file({ run: main().id });
  if (answer.text) save('run.json', answer.text, 'application/json');
  else put($('[data-file-hint]'), answer.error);
}

async function saveGraph() {
  const answer = await server.graph_file({ run: main().id, step: scene.position });
  if (answer.text) save('trie-step-' + scene.position + '.graphml', answer.text, 'application/xml');
  else put($('[data-trie-hint]'), answer.error);
}
