import js from '@eslint/js';
import globals from 'globals';

const MARKUP = ['innerHTML', 'outerHTML', 'insertAdjacentHTML'];
const markupRule = MARKUP.map((property) => ({ property, message: 'Text reaches the page through textContent.' }));

export default [
  { files: ['app/web/**/*.js', 'lookahead/report/*.js'], languageOptions: { globals: globals.browser } },
  // Bodies of functions, which Gradio calls with these names.
  { files: ['app/web/boot.js', 'app/web/page.js', 'app/web/stage.js', 'app/web/url.js'], languageOptions: { globals: Object.fromEntries(['element', 'props', 'server', 'trigger', 'watch', 'NAMES', 'DEFAULTS'].map((name) => [name, 'readonly'])) } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': ['error', { destructuring: 'all' }],
      'no-restricted-properties': ['error', ...markupRule],
    },
  },
  // The one place where fixed markup is parsed.
  { files: ['app/web/lib/dom.js'], rules: { 'no-restricted-properties': 'off' } },
];
