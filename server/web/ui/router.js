// All state is in the link: a view is what its link says.

import { h } from './dom.js';

export const query = () => new URLSearchParams(location.search);

// href returns the link of a view. The moment of this view goes along, unless params names one, or a fact.
export function href(params) {
	const p = new URLSearchParams();
	const set = (name, value) => { for (const v of Array.isArray(value) ? value : [value]) if (v !== undefined && v !== null && v !== false) p.append(name, v); };
	for (const [name, value] of Object.entries(params)) set(name, value);
	const now = query();
	if ('fact' in params) return `?${p}`;
	if (!('as_of' in params) && !('at_seq' in params)) for (const name of ['as_of', 'at_seq']) set(name, now.get(name));
	if (!('valid_at' in params)) set('valid_at', now.get('valid_at'));
	return `?${p}`;
}

export const link = (params, cls, ...children) => h('a', { href: href(params), class: cls }, children);

// opener is the link of a row, which j, k and Enter use.
export const opener = (params, cls, ...children) => h('a', { href: href(params), class: cls, 'data-open': '' }, children);

export function change(params) {
	const p = query();
	for (const [name, value] of Object.entries(params)) {
		p.delete(name);
		for (const v of Array.isArray(value) ? value : [value]) if (v !== undefined && v !== null && v !== false) p.append(name, v);
	}
	return `?${p}`;
}

let render = () => {};

// go shows the view of a link; replace leaves no step back to this one.
export function go(to, replace) {
	if (to === location.search || to === '?' && location.search === '') replace = true;
	history[replace ? 'replaceState' : 'pushState'](null, '', to === '?' ? location.pathname : to);
	render();
}

export const note = (params) => history.replaceState(null, '', change(params));

export function start(f) {
	render = f;
	addEventListener('popstate', () => f());
	document.addEventListener('click', (e) => {
		const a = e.target.closest('a[href^="?"]');
		if (!a || e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
		e.preventDefault();
		go(a.getAttribute('href'));
	});
	f();
}
