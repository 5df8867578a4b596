// SPDX-License-Identifier: Apache-2.0

// Filters: chips that can be taken away, and a form for another.

import { button, field, form, h } from './dom.js';
import { change, go } from './router.js';
import { plain, text } from './text.js';

const OPERATORS = ['=', '!=', '>', '>=', '<', '<='];

// condition splits a condition as the server does: field, operator, JSON or text.
export const condition = (s) => /^(.*?)\s*(!=|>=|<=|=|>|<)\s*(.*)$/s.exec(s)?.slice(1) ?? [s, '', ''];

// written returns a value as conditions have it: strings without quotes, unless they would be taken for other JSON.
export function written(raw) {
	if (raw.kind !== 'string') return raw.text;
	const s = JSON.parse(raw.text);
	try { JSON.parse(s); return raw.text; } catch { return s.trim() === s && s !== '' ? s : raw.text; }
}

export function chip(label, without) {
	const b = button('×', () => go(change({ ...without })), '');
	b.setAttribute('aria-label', `Remove filter ${plain(label)}`);
	return h('span.chip', h('span', text(label)), b);
}

export const chips = (where) => where.map((w) => chip(condition(w).join(' '), { where: where.filter((x) => x !== w) }));

export function popup(label, first, ...inside) {
	const details = h('details.who', h('summary.b.q', label), h('div.pop.left', inside));
	details.addEventListener('toggle', () => { if (details.open) first?.focus(); });
	return details;
}

export function conditions(where, names = []) {
	const name = field('Field', { list: 'fields', placeholder: 'field', size: 12 });
	const op = h('select', { 'aria-label': 'Condition' }, OPERATORS.map((o) => h('option', o)));
	const value = field('Value, as JSON or text', { placeholder: 'value', size: 14 });
	return [name, form('form.row', () => {
		if (!name.value) return;
		name.closest('details').open = false;
		go(change({ where: [...where, name.value + op.value + value.value] }));
	}, name, h('datalist', { id: 'fields' }, names.map((f) => h('option', { value: f }))), op, value, h('button.b.go', 'Add'))];
}
