// Questions of the course to the server.

import { answerTo } from '../lib/asker.js';

/** @import { Answer } from '../types' */

const BASE = new URL('../../', import.meta.url); // wherever the app is served

/** @template T @param {string} name @param {object} question @returns {Promise<Answer<T>>} */
export function ask(name, question) {
  const asked = fetch(new URL('learn/ask/' + name, BASE), { method: 'POST', body: JSON.stringify(question), headers: { 'Content-Type': 'application/json' } });
  return answerTo(asked.then((response) => response.json()));
}
