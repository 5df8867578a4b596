// SPDX-License-Identifier: Apache-2.0

// Every view is a command: the bottom line says what is shown as igniter, curl and JSON.

import { $, copy, tabs } from './dom.js';
import { path, root } from './api.js';
import { text } from './text.js';

let lines = {};

export function quote(word) {
	if (/^[\w./:=@%+,-]+$/.test(word)) return word;
	if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
	return `$'${word.replace(/[\\']/g, '\\$&').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => {
		const code = c.codePointAt(0).toString(16);
		return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
	})}'`;
}

export function command(words, endpoint, params = {}) {
	const url = new URL(path(endpoint, params), root).href;
	const stream = endpoint === 'v1/events' ? '-N ' : '';
	lines = {
		igniter: ['igniter', ...words.filter((w) => w !== undefined && w !== '').map(quote)].join(' '),
		curl: `curl ${stream}-H "Authorization: Bearer $IGNITER_TOKEN" ${quote(url).replace(/^(?!')(.*)$/, "'$1'")}`,
		JSON: `GET ${url.slice(root.origin.length)}`,
	};
	for (const [name, line] of Object.entries(lines)) {
		const bold = document.createElement('b'), at = line.indexOf(' ');
		bold.textContent = line.slice(0, at);
		$(`#as-${name}-p code`).replaceChildren(bold, ...text(line.slice(at)));
	}
}

export const flags = ({ as_of: time, at_seq: seq, valid_at: valid } = {}) => [
	...(time ? ['--as-of', time] : []), ...(seq ? ['--at-seq', String(seq)] : []), ...(valid ? ['--valid-at', valid] : []),
];

export const copyCommand = () => {
	const tab = $('.cmd [role=tab][aria-selected=true]');
	copy(lines[tab.textContent] ?? '', tab.textContent === 'JSON' ? 'Request' : 'Command', $('#copy-command'));
};

export function startCommand() {
	const kept = localStorage.getItem('igniter-command');
	const pick = tabs($('.cmd [role=tablist]'), (t) => localStorage.setItem('igniter-command', t.textContent));
	pick($(`#as-${['igniter', 'curl', 'JSON'].includes(kept) ? kept : 'igniter'}`));
	$('#copy-command').addEventListener('click', copyCommand);
}
