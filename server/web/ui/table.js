// SPDX-License-Identifier: Apache-2.0

// Tables. Narrow screens lay them out as lists; roles keep them tables.

import { h, $$ } from './dom.js';

const ROLES = { TABLE: 'table', THEAD: 'rowgroup', TBODY: 'rowgroup', TR: 'row', TD: 'cell' };

export function asTable(e) {
	for (const x of [e, ...$$('thead, tbody, tr, td, th', e)]) x.setAttribute('role', ROLES[x.tagName] ?? (x.scope === 'row' ? 'rowheader' : 'columnheader'));
	return e;
}

// table returns a table: heads are [text or nodes, class, attributes], rows are <tr>.
export function table(cls, caption, heads, rows, props = {}) {
	const t = h('table', { class: cls, ...props }, h('caption.vh', caption),
		h('thead', h('tr', heads.map(([what, c, more]) => h('th', { scope: 'col', class: c, ...more }, what)))), h('tbody', rows));
	if (cls.includes('rows')) asTable(t);
	return h('div', cls.includes('rows') ? { class: 'wrap' } : { class: 'wrap', role: 'group', 'aria-label': caption, tabindex: 0 }, t);
}

export const th = (cls, ...what) => h('th', { scope: 'row', class: cls }, what);

// td returns a cell; label names it where the table is a list. A cell of nothing is a dash there is no need to read.
export const td = (label, cls, ...what) => (what.length && what.flat().some((x) => x !== '' && x !== undefined && x !== null)
	? h('td', { 'data-l': label, class: cls }, what) : h('td', { 'data-l': label, class: `${cls ?? ''} dim nil` }, '–'));

export function filterRows(rows, text) {
	const want = text.toLowerCase();
	let n = 0;
	for (const r of rows) {
		r.hidden = want !== '' && !r.textContent.toLowerCase().includes(want);
		if (!r.hidden) n++;
	}
	return n;
}
