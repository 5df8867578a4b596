// SPDX-License-Identifier: Apache-2.0

// What differs between two values.

import { h } from './dom.js';
import { entries, same } from './json.js';
import { scalar, short, text } from './text.js';
import { day } from './time.js';

const MOST = 200;

export function fields(was, is) {
	const whole = (raw) => !raw || raw.kind === 'null' ? [] : raw.kind === 'object' ? entries(raw, MOST) : [['', raw]];
	const old = new Map(whole(was)), now = new Map(whole(is));
	return [...new Set([...old.keys(), ...now.keys()])].sort().slice(0, MOST).map((k) => [k, old.get(k), now.get(k)]);
}

const field = (name) => (name === '' ? h('i', 'value') : h('i', text(name)));
const ELSE = '\u00a0 ';

export function changes(list, more) {
	const nodes = [];
	for (const c of list ?? []) {
		if (nodes.length) nodes.push(ELSE);
		const gone = c.new === undefined && c.new_bytes === undefined, added = c.old === undefined && c.old_bytes === undefined;
		const value = (raw, size) => (raw ? scalar(raw, 40) : size ? [`${size} bytes`] : []);
		if (added) nodes.push(h('span.plus', '+'), field(c.field), ' ', value(c.new, c.new_bytes));
		else if (gone) nodes.push(h('span.minus', '−'), field(c.field), ' ', value(c.old, c.old_bytes));
		else nodes.push(field(c.field), ' ', value(c.old, c.old_bytes), '→', value(c.new, c.new_bytes));
	}
	if (more) nodes.push(ELSE, h('span.dim', 'and more'));
	return nodes;
}

export function change(v) {
	const nodes = [];
	const value = v.value ? h('span.j.m', short(v.value)) : v.value_bytes ? h('span.dim', `${v.value_bytes.toLocaleString('en')} bytes`) : '';
	if (v.kind === 'created') nodes.push(h('span.plus', '+'), ' created ', value);
	else if (v.kind === 'deleted' || v.value?.kind === 'null') nodes.push(h('span.minus', '−'), ' deleted');
	else if (v.kind === 'same') nodes.push(h('span.dim', 'the same again'));
	else if (v.changes?.length) nodes.push(h('span.m.j', changes(v.changes.slice(0, 6), v.more_changes || v.changes.length > 6)));
	else nodes.push(value);
	return nodes.flat();
}

export const since = (v) => (v.valid ? h('span.true.nb', ` true since ${day(v.valid)}`) : '');

export function sideBySide(was, is, oldName, newName) {
	const cell = (raw, sign, cls, other) => h('td', { class: other ? 'dim' : cls }, h('span.sign', other || !raw ? ' ' : sign), h('span.m', raw ? short(raw, 400) : '–'));
	const all = fields(was, is);
	const rows = all.map(([name, a, b]) => {
		const unchanged = same(a, b);
		return h('tr', h('th', { scope: 'row' }, h('span.m', name === '' ? 'value' : text(name))), cell(a, '−', 'del', unchanged || !a), cell(b, '+', 'ins', unchanged || !b));
	});
	return h('table.diff', h('caption.vh', 'Fields of the two versions'),
		h('thead', h('tr', h('th', { scope: 'col' }, 'Field'), h('th', { scope: 'col' }, oldName), h('th', { scope: 'col' }, newName))),
		h('tbody', rows.length ? rows : h('tr', h('td', { colspan: 3, class: 'dim' }, 'No fields'))));
}
