// Run by Gradio when the stage's HTML is on the page (js_on_load): the stage is a module of the app's own route. Values
// that come before it is there wait for it.
const values = [props.value];
let take = (value) => values.push(value);
watch('value', () => take(props.value));
window.lookaheadStage().then(({ mount }) => {
  take = mount(element, { server, props, trigger }, values.shift());
  values.forEach(take);
}).catch((error) => {
  console.error(error);
  element.querySelector('#sentence').textContent = 'The page’s scripts could not be loaded. Reload the page.';
});
