// Run before the page is drawn: dark where the address or the system says so, as Gradio's pages do.
{
  const asked = new URLSearchParams(location.search).get('__theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const show = () => document.documentElement.classList.toggle('dark', asked ? asked === 'dark' : system.matches);
  show();
  system.addEventListener('change', show);
}
