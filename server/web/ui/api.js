// The server's HTTP interface. The token is kept in this tab and sent in a header.

import { parse } from './json.js';

const KEPT = 'igniter-token';

export const root = new URL('../', document.baseURI);

export const token = () => sessionStorage.getItem(KEPT) ?? '';
export function setToken(t) {
	if (t) sessionStorage.setItem(KEPT, t);
	else sessionStorage.removeItem(KEPT);
}

// A Failure is an answer that is an error, or no answer: then its status is 0.
export class Failure extends Error {
	constructor(asked, status, body) {
		super(body.error || `the server answered ${status}`);
		this.asked = asked;
		this.status = status;
		this.code = body.error_code ?? '';
		this.body = body;
	}
}

let watch = () => {};
export const onConnection = (f) => { watch = f; };

// path returns the path of an endpoint with parameters; lists are given once for each item.
export function path(endpoint, params = {}) {
	const p = new URLSearchParams();
	for (const [name, value] of Object.entries(params)) {
		for (const v of Array.isArray(value) ? value : [value]) if (v || v === 0 || v === '' && name === 'key') p.append(name, v === true ? '1' : v);
	}
	const query = p.toString();
	return query ? `${endpoint}?${query}` : endpoint;
}

export const at = (endpoint, ...parts) => [endpoint, ...parts.map(encodeURIComponent)].join('/');

async function ask(asked, headers, signal) {
	let answer;
	try {
		answer = await fetch(new URL(asked, root), { headers: token() ? { ...headers, Authorization: `Bearer ${token()}` } : headers, signal, redirect: 'error' });
	} catch (e) {
		if (signal?.aborted) throw e;
		watch(false);
		throw new Failure(asked, 0, { error: 'the server does not answer' });
	}
	watch(true);
	if (answer.ok) return answer;
	let body = {};
	try { body = parse(await answer.text()); } catch { /* not JSON: the status has to do */ }
	throw new Failure(asked, answer.status, body);
}

export async function get(endpoint, params, signal) {
	const asked = path(endpoint, params);
	const answer = await ask(asked, {}, signal);
	let body;
	try {
		body = await answer.text();
	} catch (e) {
		if (signal?.aborted) throw e;
		throw new Failure(asked, 0, { error: 'the answer was cut off' });
	}
	if (!(answer.headers.get('Content-Type') ?? '').includes('ndjson')) return parse(body);
	return body.split('\n').filter(Boolean).map(parse);
}

// events yields the events of a stream as { id, event, data }, until it ends. It throws a Failure if the stream breaks.
export async function* events(params, last, signal) {
	const asked = path('v1/events', params);
	const answer = await ask(asked, last ? { 'Last-Event-ID': last } : {}, signal);
	const reader = answer.body.getReader(), decoder = new TextDecoder();
	let rest = '', id = '', event = '', data = [];
	try {
		for (;;) {
			const { value, done } = await reader.read();
			if (done) break;
			const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
			rest = lines.pop();
			for (const line of lines) {
				if (line === '') {
					yield { id, event, data: data.join('\n') };
					event = '';
					data = [];
					continue;
				}
				const colon = line.indexOf(':');
				const field = line.slice(0, colon), text = line.slice(colon + 1).replace(/^ /, '');
				if (field === 'id') id = text;
				if (field === 'event') event = text;
				if (field === 'data') data.push(text);
			}
		}
	} catch (e) {
		if (signal?.aborted) throw e;
		watch(false);
		throw new Failure(asked, 0, { error: 'the connection was lost' });
	} finally {
		reader.cancel().catch(() => {});
	}
}
