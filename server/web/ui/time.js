// Times: UTC, RFC 3339 with nanoseconds in answers and links, shorter on the page.

import { h } from './dom.js';

const two = (n) => String(n).padStart(2, '0');

export const exact = (t) => t.replace('T', ' ').replace(/(\.\d{3})\d+/, '$1').replace(/\.000Z/, 'Z');

function brief(t) {
	const year = String(new Date().getUTCFullYear());
	const s = t.slice(0, 16).replace('T', ' ');
	return s.startsWith(year) ? s.slice(5) : s;
}

export const day = (t) => { const s = brief(t); return s.endsWith(' 00:00') ? s.slice(0, -6) : s; };

export const clock = (t) => t.slice(11, 23).padEnd(12, t.includes('.') ? '0' : '').replace('Z', '');

export function ago(t) {
	const s = (Date.now() - Date.parse(t)) / 1000;
	return s < -1 ? `in ${span(-s)}` : `${span(Math.max(0, s))} ago`;
}

export function span(s) {
	if (s < 100) return `${Math.round(s)} s`;
	if (s < 6000) return `${Math.round(s / 60)} min`;
	if (s < 172800) return `${Math.round(s / 3600)} h`;
	return `${Math.round(s / 86400)} d`;
}

export const at = (t, form = brief) => (t ? h('time', { datetime: t, title: exact(t) }, form(t)) : '–');

export const text = (date) => date.toISOString().replace('.000Z', 'Z');

const UNITS = { s: 1, m: 60, min: 60, h: 3600, d: 86400, w: 604800 };

// parse returns what a user means by a time: { time } as RFC 3339, { seq }, or {} for now.
export function parse(s) {
	s = s.trim();
	if (s === '' || s === 'now') return {};
	let m;
	if ((m = /^(?:seq|#)?\s*(\d[\d,]*)$/i.exec(s)) && (s[0] > '9' || s[0] === '#' || !/^\d{4}$/.test(s))) return { seq: Number(m[1].replaceAll(',', '')) };
	if ((m = /^-?\s*(\d+)\s*(s|m|min|h|d|w)(?:\s+ago)?$/i.exec(s))) return { time: text(new Date(Date.now() - m[1] * UNITS[m[2].toLowerCase()] * 1000)) };
	if (s === 'today' || s === 'yesterday') {
		const d = new Date();
		return { time: text(new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate() - (s === 'yesterday' ? 1 : 0)))) };
	}
	if ((m = /^(\d{4})-(\d\d?)(?:-(\d\d?))?(?:[T ]+(\d\d?):(\d\d)(?::(\d\d(?:\.\d{1,9})?))?)?\s*(Z|UTC|[+-]\d\d:\d\d)?$/i.exec(s))) {
		const [, y, mo, d = '1', ho = '0', mi = '00', se = '00', zone = 'Z'] = m;
		const t = `${y}-${two(mo)}-${two(d)}T${two(ho)}:${mi}:${se}${/utc/i.test(zone) ? 'Z' : zone.toUpperCase()}`;
		const date = new Date(t);
		if (!Number.isNaN(date.getTime()) && (zone.length > 3 || date.getUTCDate() === Number(d))) return { time: zone.length > 3 ? text(date) : t };
	}
	throw new Error('Write a time such as 2026-03-01, 2026-03-01 10:00, 7d for seven days ago, now, or a seq such as 178,117.');
}
