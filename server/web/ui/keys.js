// SPDX-License-Identifier: Apache-2.0

// The keyboard.

import { $, $$, button, copy, h } from './dom.js';
import { copyCommand } from './command.js';

const KEYS = [['/', 'filter'], ['j  k', 'next, previous'], ['Enter', 'open the row'], ['[  ]', 'older, newer'], ['d', 'fields or value'], ['t', 'type a time'],
	['n', 'back to now'], ['Space', 'pause the tail'], ['g s', 'stores'], ['g t', 'tail: live'], ['g l', 'lineage: why'], ['g h', 'health: server'],
	['y', 'copy the link'], ['c', 'copy the command'], ['?', 'these keys'], ['Esc', 'close, or leave a field']];

function list() {
	const items = KEYS.map(([keys, what]) => h('div', h('dt', keys.split(/\s+/).flatMap((k) => [h('kbd', k), ' '])), h('dd', what)));
	const help = h('dialog', { 'aria-labelledby': 'keys-title' }, h('h2', { id: 'keys-title' }, 'Keys'), h('dl', items));
	const shut = button('Close', () => help.close());
	help.append(shut);
	help.addEventListener('click', (e) => { if (e.target === help) help.close(); });
	document.body.append(help);
	return help;
}

function move(step) {
	const links = $$('main table.rows tbody tr:not([hidden]) a[data-open], main .tree .node a').filter((a) => a.offsetParent);
	const i = links.indexOf(document.activeElement);
	links[i < 0 ? (step > 0 ? 0 : links.length - 1) : Math.max(0, Math.min(links.length - 1, i + step))]?.focus();
}

const SECTIONS = { s: 'stores', t: 'live', l: 'why', h: 'server' };

// startKeys listens to keys. page returns what the view does for older, newer, fields and pause.
export function startKeys(page, section) {
	const help = list();
	let prefix = -Infinity;
	$('#help').addEventListener('click', () => help.showModal());
	document.addEventListener('keydown', (e) => {
		const typing = e.target.matches('input:not([type=range]), select, textarea');
		if (e.key === 'Escape') {
			for (const open of $$('details[open]')) open.open = false;
			if (typing) e.target.blur();
			return;
		}
		if (typing || e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]')) return;
		if (e.timeStamp - prefix < 1500) {
			prefix = -Infinity;
			if (SECTIONS[e.key]) { e.preventDefault(); section(SECTIONS[e.key]); return; }
		}
		const does = page();
		const act = {
			'/': () => $('main [data-filter]')?.focus(), j: () => move(1), k: () => move(-1), '[': does.older, ']': does.newer, d: does.fields,
			t: () => { $('#asof').focus(); $('#asof').select(); }, n: () => { if (!$('#now').hidden) $('#now').click(); },
			g: () => { prefix = e.timeStamp; }, y: () => copy(location.href, 'Link'), c: copyCommand, '?': () => help.showModal(),
			' ': e.target.closest('button, a, summary, [role=tab]') ? undefined : does.pause,
		}[e.key];
		if (!act) return;
		e.preventDefault();
		act();
	});
}
