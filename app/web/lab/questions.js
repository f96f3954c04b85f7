// The server side of the page: studies that run there, and T(n).

/** @import { Machine, Row, Study } from '../../../lookahead/report/study' */

export const ROOT = location.pathname.replace(/\/lab\/?$/, ''); // wherever the app is served
const STUDIES = ROOT + '/lab/studies';

/** @typedef {{ settings: Record<string, any>[], sweep: boolean, prompts?: number }} Wanted prompts: how many of the file; left out for all, or as many as before */
/** @typedef {Wanted & { name: string, text: string, base64?: string, plain: boolean, max_new_tokens: number }} Order */
/** @typedef {{ settings: Record<string, any>, other: Record<string, any> | null, name: string, digest: string, max_new_tokens: number, plain: boolean, sweep: boolean, prompts: number | null }} Asked */
/** @typedef {{ prompts?: number, recorded?: boolean, digest?: string, pass_seconds?: number | null, error?: string, silent?: boolean }} Found silent: there was no answer */
/** @typedef {{ done: number, of: number, seconds_left: number | null, what: string }} Progress */
/** @typedef {{ asked?: Asked, progress?: Progress, study?: Study, error?: string, end?: boolean }} News */

export const fileOf = (/** @type {string} */ id, /** @type {string} */ kind) => STUDIES + '/' + encodeURIComponent(id) + '.' + kind;

/** Where a run of a study, or an example, can be watched: at the step that lost most, with what that lost. @param {Record<string, string>} run @param {Row} row @param {number} place of the row in its study, from 0 */
export const watchAddress = (run, { worst_step: step, worst_cause: cause, worst_tokens: lost }, place) => ROOT + '/?' + new URLSearchParams({ ...run, step: String(step ?? 0), ...(step !== null && cause ? { row: String(place + 1), cause, lost: String(lost) } : {}) });

/** @param {Order} order @returns {Promise<{ id?: string, error?: string }>} */
export const start = (order) => post(STUDIES, order);

/** What a file holds, or why it cannot be studied. @param {{ name: string, text: string, base64?: string }} material @returns {Promise<Found>} */
export const check = (material) => post(ROOT + '/lab/check', material);

/** Another study with the file, the settings A and the runs of one: the prompts that are missing run, or nothing does and B is replayed. @param {string} id @param {Wanted & { runs: boolean }} wanted @returns {Promise<{ id?: string, error?: string }>} */
export const goOn = (id, wanted) => post(STUDIES + '/' + encodeURIComponent(id) + '/continue', wanted);

export const stop = (/** @type {string} */ id) => post(STUDIES + '/' + encodeURIComponent(id) + '/stop');

/** @returns {Promise<{ machine?: Machine, error?: string }>} */
export const measure = () => post(ROOT + '/lab/costs');

/** A study that is kept, or the example. @param {string | null} id @returns {Promise<any>} */
export const kept = (id) => answered(fetch(id === null ? new URL('../../lab/example.json', import.meta.url) : fileOf(id, 'json')));

/** The answer to a question, whose values are sent as JSON if it has any. @param {string} address @param {object} [values] */
const post = (address, values) => answered(fetch(address, { method: 'POST', ...(values && { body: JSON.stringify(values), headers: { 'Content-Type': 'application/json' } }) }));

/** The answer's JSON; `{error}` where there is none. @param {Promise<Response>} asked */
async function answered(asked) {
  try {
    const response = await asked, answer = await response.json().catch(() => null);
    if (answer && typeof answer === 'object' && (response.ok || answer.error)) return answer;
    return { error: response.status === 413 ? 'The file is too large for this server.' : response.status === 404 ? 'This study is not on the server any more.' : 'The server refused the request (' + response.status + ').' };
  } catch {
    return { error: 'The server did not answer.', silent: true };
  }
}

/** Hears what becomes of a study until its end. @param {string} id @param {(news: News) => void} heard @returns {() => void} stops listening */
export function listen(id, heard) {
  const events = new EventSource(STUDIES + '/' + encodeURIComponent(id) + '/events');
  events.onmessage = ({ data }) => {
    const news = JSON.parse(data);
    if (news.end || news.error) events.close();
    heard(news);
  };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) heard({ error: 'The connection to the study broke. Reload the page to see it again.' });
  };
  return () => events.close();
}
