() => {
  const FIELDS = ['#document textarea', '#prompt textarea'];
  const inField = ({ target }) => target instanceof Element && target.matches(FIELDS.join());
  // Typed, pasted or dropped: Gradio's own event comes late, and not for every one of them.
  document.addEventListener('input', (event) => {
    if (!inField(event)) return;
    const texts = FIELDS.map((field) => document.querySelector(field)?.value ?? '');
    try { sessionStorage.setItem('lookahead-typed', JSON.stringify(texts)); } catch { /* too long to be kept */ }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing || !(event.ctrlKey || event.metaKey || event.shiftKey) || !inField(event)) return;
    event.preventDefault();
    event.stopPropagation();
    document.querySelector('#run:enabled')?.click();
  }, true);
  // Gradio and the browser cut the requests of a page that is left; Gradio then reports each of them as an error.
  const { error } = console;
  const hush = () => {
    console.error = () => {};
    setTimeout(() => { console.error = error; }, 3000); // the page has stayed
  };
  addEventListener('beforeunload', hush, true);
  addEventListener('pagehide', hush, true);
}
