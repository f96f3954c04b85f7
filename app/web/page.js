{
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
  // A page that is left cuts its requests: no error, but Gradio reports each, and then its broken connection.
  const { error } = console;
  let cutAt = -Infinity;
  console.error = (...what) => {
    const cut = what[0]?.name === 'AbortError';
    if (cut) cutAt = performance.now();
    const follows = performance.now() - cutAt < 1000 && what.join(' ').includes('Connection errored out');
    if (!cut && !follows) error.apply(console, what);
  };
}
