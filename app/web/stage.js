// The stage's module, asked for when the page's head is there: an import that begins when the stage is on the page would wait
// for all that Gradio does then.
{
  const base = new URL((window.gradio_config || {}).root || '/', location.href).pathname.replace(/\/+$/, '');
  const stage = import(base + '/gradio_api/lookahead/web/watch.js');
  stage.catch(() => {}); // whoever asks is told
  window.lookaheadStage = () => stage;
}
