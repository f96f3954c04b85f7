// The report: the study that the file holds, shown by the pictures.

import { make } from './dom.js';
import { mountStudy } from './study_view.js';

const { study, facts } = JSON.parse(document.getElementById('study')?.textContent || '');
const box = make('main', {});
document.body.append(box);
mountStudy(box, facts).show(study);
