// SPDX-License-Identifier: Apache-2.0

// The moment bar: as of when the page looks. The past is loud.

import { $, h, say } from './dom.js';
import { change, go, query } from './router.js';
import { exact, parse } from './time.js';
import { count } from './text.js';

// moment returns the moment that the link names, as parameters of endpoints.
export function moment() {
	const q = query(), m = {};
	if (q.get('at_seq')) m.at_seq = q.get('at_seq');
	else if (q.get('as_of')) m.as_of = q.get('as_of');
	if (q.get('valid_at')) m.valid_at = q.get('valid_at');
	return m;
}

let shown;
export const isPast = (m = moment()) => Boolean(m.at_seq || m.as_of);

// showMoment shows the moment of the link; seq is the one that was read at, once it is known.
export function showMoment(seq) {
	shown = seq;
	const m = moment(), past = isPast(m), field = $('#asof');
	if (document.activeElement !== field) field.value = m.at_seq ? `seq ${count(m.at_seq)}` : m.as_of ? exact(m.as_of).replace(':00Z', 'Z') : 'now';
	$('.moment').classList.toggle('past', past);
	$('#now').hidden = !past;
	$('[for=asof]').textContent = past ? 'Past, as of' : 'As of';
	$('#asof-seq').textContent = seq !== undefined ? `seq ${count(seq)}` : '';
	$('#asof-why').hidden = true;
}

export function crumbs(...steps) {
	$('.crumbs ol').replaceChildren(...steps.map(([what, to]) => h('li', to ? h('a', { href: to }, what) : h('span', { 'aria-current': 'page' }, what))));
}

export function startMoment() {
	const field = $('#asof'), why = $('#asof-why');
	$('#asof-form').addEventListener('submit', (e) => {
		e.preventDefault();
		try {
			const { time, seq } = parse(field.value);
			why.hidden = true;
			field.removeAttribute('aria-invalid');
			field.blur();
			go(change({ as_of: time, at_seq: seq }));
		} catch (e) {
			why.textContent = `✕ ${e.message}`;
			why.hidden = false;
			field.setAttribute('aria-invalid', 'true');
		}
	});
	field.addEventListener('blur', () => { field.removeAttribute('aria-invalid'); showMoment(shown); });
	$('#now').addEventListener('click', () => { say('Back to now'); go(change({ as_of: undefined, at_seq: undefined })); });
}

