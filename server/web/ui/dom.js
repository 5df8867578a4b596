// SPDX-License-Identifier: Apache-2.0

// Elements. Text only ever becomes a text node: nothing here parses markup.

const SVG = 'http://www.w3.org/2000/svg';

export const $ = (query, at = document) => at.querySelector(query);
export const $$ = (query, at = document) => [...at.querySelectorAll(query)];

function make(create, spec, parts) {
	const [tag, ...classes] = spec.split('.'), e = create(tag), props = parts[0]?.constructor === Object ? parts.shift() : {};
	if (classes.length) e.setAttribute('class', classes.join(' '));
	for (const [name, value] of Object.entries(props)) {
		if (typeof value === 'function') e.addEventListener(name, value);
		else if (value === true) e.setAttribute(name, '');
		else if (value !== false && value !== undefined && value !== null) e.setAttribute(name, value);
	}
	e.append(...parts.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false && c !== ''));
	return e;
}

// h returns an element: h('a.b.q', { href, click: f }, 'text', child, [more]).
export const h = (spec, ...parts) => make((tag) => document.createElement(tag), spec, parts);

export const g = (spec, ...parts) => make((tag) => document.createElementNS(SVG, tag), spec, parts);

export const say = (text) => { $('#say').textContent = text; };

// copy puts a text into the clipboard and shows on a button, if there is one, that it did.
export async function copy(text, what, button) {
	try {
		await navigator.clipboard.writeText(text);
		say(`${what} copied`);
		if (!button || button.dataset.was) return;
		button.dataset.was = button.textContent;
		const label = button.firstChild;
		label.textContent = 'Copied';
		setTimeout(() => { label.textContent = button.dataset.was; delete button.dataset.was; }, 1200);
	} catch {
		say('Copying failed');
	}
}

export const button = (text, click, cls = 'b') => h('button', { type: 'button', class: cls, click }, text);

export function tabs(list, picked = () => {}) {
	const all = $$('[role=tab]', list);
	const pick = (tab, focus) => {
		for (const t of all) {
			const on = t === tab;
			t.setAttribute('aria-selected', on);
			t.tabIndex = on ? 0 : -1;
			const panel = document.getElementById(t.getAttribute('aria-controls')) ?? t.panel;
			if (panel) panel.hidden = !on;
		}
		if (focus) tab.focus();
	};
	list.addEventListener('click', (e) => {
		const t = e.target.closest('[role=tab]');
		if (t) { pick(t); picked(t); }
	});
	list.addEventListener('keydown', (e) => {
		const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
		if (!step) return;
		e.preventDefault();
		const t = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
		pick(t, true);
		picked(t);
	});
	return pick;
}

// field is an input for text, finder one for / that narrows down what is shown; its box goes into the page.
export const field = (label, props) => h('input.m', { type: 'text', 'aria-label': label, spellcheck: 'false', autocomplete: 'off', ...props });
export function finder(label, placeholder, size, input) {
	const e = h('input', { type: 'search', 'data-filter': '', 'aria-label': label, placeholder, size, spellcheck: 'false', input: () => input(e.value) });
	e.box = h('span.lab', e, h('kbd', { 'aria-hidden': 'true' }, '/'));
	return e;
}

export const form = (spec, submitted, ...parts) => h(spec, { submit: (e) => { e.preventDefault(); submitted(); } }, parts);

let ids = 0;
export const id = (name) => `${name}-${++ids}`;

export const section = (at, title, note, ...inside) => h('section.sec', { 'aria-labelledby': at }, h('div.head', h('h2', { id: at }, title), note && h('p.dim', note)), inside);

export const terms = (rows) => h('dl.kv', rows.flatMap(([what, is]) => [h('dt', what), h('dd', is)]));
