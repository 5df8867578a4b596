// Filters: chips that can be taken away, and a form for another.

import { button, h } from './dom.js';
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

// chip shows a filter; without says how the link is without it.
export function chip(label, without) {
	const b = button('×', () => go(change({ ...without, cursor: undefined })), '');
	b.setAttribute('aria-label', `Remove filter ${plain(label)}`);
	return h('span.chip', h('span', text(label)), b);
}

export const chips = (where) => where.map((w) => chip(condition(w).join(' '), { where: where.filter((x) => x !== w) }));

// popup is a form behind a button.
export function popup(label, first, ...inside) {
	const details = h('details.who', h('summary.b.q', label), h('div.pop.left', inside));
	details.addEventListener('toggle', () => { if (details.open) first?.focus(); });
	return details;
}

// conditions is a form for a further condition on the value.
export function conditions(where, names = []) {
	const field = h('input.m', { type: 'text', 'aria-label': 'Field', list: 'fields', placeholder: 'field', size: 12, spellcheck: 'false', autocomplete: 'off' });
	const op = h('select', { 'aria-label': 'Condition' }, OPERATORS.map((o) => h('option', o)));
	const value = h('input.m', { type: 'text', 'aria-label': 'Value, as JSON or text', placeholder: 'value', size: 14, spellcheck: 'false', autocomplete: 'off' });
	const form = h('form.row', field, h('datalist', { id: 'fields' }, names.map((f) => h('option', { value: f }))), op, value, h('button.b.go', 'Add'));
	form.addEventListener('submit', (e) => {
		e.preventDefault();
		if (!field.value) return;
		form.closest('details').open = false;
		go(change({ where: [...where, field.value + op.value + value.value], cursor: undefined }));
	});
	return [field, form];
}
