// Text is text: characters that cannot be seen, or pass for others, are spelled out.

import { h } from './dom.js';
import { tokens } from './json.js';

const NAMES = {
	0: 'null', 27: 'escape', 0xa0: 'no-break space', 0xad: 'soft hyphen', 0x200b: 'zero width space', 0x200d: 'zero width joiner', 0x200e: 'left-to-right mark', 0x200f: 'right-to-left mark',
	0x202a: 'left-to-right embedding', 0x202b: 'right-to-left embedding', 0x202d: 'left-to-right override', 0x202e: 'right-to-left override', 0x2066: 'left-to-right isolate',
	0x2067: 'right-to-left isolate', 0x2069: 'pop directional isolate', 0xfeff: 'byte order mark',
};
const SHORT = { 0: 'NUL', 27: 'ESC', 127: 'DEL', 9: 'TAB', 10: 'LF', 13: 'CR' };

// Characters without ink, those that change the direction, and those that no font has.
const ODD = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u17b4\u17b5\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\ufe00-\ufe0f\uffa0]|(?<=\p{M}{3})\p{M}/u;
// Letters of other scripts within a Latin word pass for Latin ones.
const MIXED = /(?<=\p{Script=Latin})[\p{Script=Cyrillic}\p{Script=Greek}]|[\p{Script=Cyrillic}\p{Script=Greek}](?=\p{Script=Latin})/u;
const ANY = new RegExp(`${ODD.source}|${MIXED.source}`, 'gu');

const nameOf = (code) => NAMES[code] ?? (/[\p{Script=Cyrillic}]/u.test(String.fromCodePoint(code)) ? 'Cyrillic letter' : 'a character that is not seen as such');
const spelled = (c) => {
	const code = c.codePointAt(0);
	return h('span.cp.m', { title: nameOf(code) }, SHORT[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, '0')}`);
};

export function text(s, odd = ANY) {
	const nodes = [];
	let from = 0;
	for (const m of s.matchAll(odd)) {
		if (m.index > from) nodes.push(s.slice(from, m.index));
		nodes.push(spelled(m[0]));
		from = m.index + m[0].length;
	}
	if (from < s.length) nodes.push(s.slice(from));
	return nodes;
}

export function name(s) {
	if (s === '') return [h('span.dim', '(the empty key)')];
	const [, before, middle, after] = /^( *)(.*?)( *)$/su.exec(s);
	return [[...before].map(spelled), text(middle), [...after].map(spelled)].flat();
}

export const plain = (s) => (s === '' ? '(the empty key)' : s.replace(ANY, (c) => spelled(c).textContent));

// oddities says which odd characters a text has, in words; '' for none.
export function oddities(s) {
	const kinds = new Set([...s.matchAll(ANY)].map((m) => `${spelled(m[0]).textContent} (${nameOf(m[0].codePointAt(0))})`));
	return [...kinds].slice(0, 5).join(', ');
}

// cut shortens a text in its middle, between characters.
export function cut(s, max) {
	if (s.length <= max) return [s];
	const side = Math.floor(max / 2);
	const head = s.slice(0, side).replace(/[\ud800-\udbff]$/, ''), tail = s.slice(-side).replace(/^[\udc00-\udfff]/, '');
	return [head, s.length - head.length - tail.length, tail];
}

const gap = (n, unit) => h('span.tag', `${count(n)} more ${unit}`);

function clipped(s, max) {
	const [head, missing, tail] = cut(s, max);
	return missing ? [...text(head), '… ', gap(missing, 'characters'), ' …', ...text(tail)] : text(head);
}

// short returns a value on one line, of about max characters.
export function short(raw, max = 120) {
	if (!raw) return [h('span.dim', '–')];
	const nodes = [];
	let left = max;
	for (const [kind, t] of tokens(raw.text)) {
		if (left <= 0) { nodes.push('…'); break; }
		const shown = kind === 'key' ? keyText(t) : t;
		left -= shown.length;
		if (kind === 'mark') nodes.push(h('i', t === ',' || t === ':' ? `${t} ` : t));
		else nodes.push(...(shown.length > 160 ? clipped(shown, 80) : text(shown)));
	}
	return nodes;
}

const keyText = (t) => { const s = JSON.parse(t); return /^[\p{L}_][\p{L}\p{N}_-]*$/u.test(s) ? s : t; };

export function scalar(raw, max = 60) {
	if (!raw) return [h('span.dim', '–')];
	if (raw.kind !== 'string' || raw.text.length < 3) return short(raw, max);
	return clipped(raw.text.length > 4096 ? raw.text : JSON.parse(raw.text), max);
}

// A Printer writes a value with a line for each member, as far as a budget of characters goes.
export class Printer {
	constructor(raw) {
		this.tokens = tokens(raw.text);
		this.before = '';
		this.done = false;
	}

	print(to, budget = 64 << 10) {
		const indent = (n) => `\n${'  '.repeat(Math.min(n, 100))}`;
		const nodes = [];
		for (let left = budget; left > 0;) {
			const { value, done } = this.tokens.next();
			if (done) { this.done = true; break; }
			const [kind, t, depth] = value;
			let lead = '';
			const opens = this.before === '{' || this.before === '[';
			if (t === '}' || t === ']') lead = kind === 'mark' && !opens ? indent(depth) : '';
			else if (this.before === ',') lead = indent(depth - (t === '{' || t === '[' ? (kind === 'mark' ? 1 : 0) : 0));
			else if (opens) lead = indent(depth - (kind === 'mark' && (t === '{' || t === '[') ? 1 : 0));
			else if (this.before === ':') lead = ' ';
			this.before = kind === 'mark' ? t : '';
			left -= lead.length + Math.min(t.length, 4096);
			if (lead) nodes.push(lead);
			if (kind === 'mark') nodes.push(h('i', t));
			else nodes.push(...(t.length > 4096 ? clipped(t, 128) : text(t)));
		}
		to.append(...nodes);
		return this.done;
	}
}

export const count = (n) => Number(n).toLocaleString('en');
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

export function bytes(n) {
	if (n < 1024) return `${n} B`;
	const units = ['KiB', 'MiB', 'GiB', 'TiB'];
	let u = -1;
	do { n /= 1024; u++; } while (n >= 1024 && u < units.length - 1);
	return `${n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en')} ${units[u]}`;
}

export function by(producer) {
	if (!producer || producer.kind === 'null') return '';
	if (producer.kind === 'string') return JSON.parse(producer.text);
	if (producer.kind !== 'object' || producer.text.length > 4096) return producer.text.slice(0, 200);
	const o = JSON.parse(producer.text);
	for (const field of ['who', 'name', 'user', 'service', 'by', 'token', 'id']) if (typeof o[field] === 'string') return o[field];
	return producer.text;
}

export const who = (f, none = '') => (by(f.producer) ? name(by(f.producer)) : none);

export const mono = (s) => h('span.m', name(s));
