// SPDX-License-Identifier: Apache-2.0

// The inspector: shows the view of the link, again whenever the link changes.

import { $, $$, button, h, say } from './dom.js';
import { Failure, get, onConnection, setToken, token } from './api.js';
import { command, startCommand } from './command.js';
import { Difference } from './difference.js';
import { History } from './history.js';
import { Live } from './live.js';
import { Records } from './records.js';
import { Server } from './server.js';
import { Stores } from './stores.js';
import { Why } from './why.js';
import { crumbs, showMoment, startMoment } from './moment.js';
import { startKeys } from './keys.js';
import { go, href, query, start } from './router.js';
import { mono, name, plain, text } from './text.js';
import { askToken, failed, loading, states } from './states.js';

const LATE = 200, LONGEST = 30;

let view, shown, ending = new AbortController(), who, lineage = '', tries;

function viewOf(q) {
	if (q.has('fact')) return Why;
	if (q.get('view') === 'live') return Live;
	if (q.get('view') === 'server') return Server;
	if (!q.has('store')) return Stores;
	if (q.get('view') === 'diff') return Difference;
	return q.has('key') ? History : Records;
}

// connection shows whether the server answers. If not, it returns when it is time for another try.
export async function connection(up, wait = 0, signal) {
	$('#dot').classList.toggle('off', !up);
	const said = $('#conn'), show = (...what) => { if (said.textContent !== what.map((x) => x.textContent).join('')) said.replaceChildren(...what); };
	if (up) return show(h('span.ok', 'Connected'));
	for (let s = wait; s > 0 && !signal?.aborted; s--) {
		show(h('span', 'Lost'), h('span.w', `, retry in ${s} s`));
		for (const left of $$('[data-left]')) left.textContent = `in ${s} s`;
		await new Promise((done) => { const t = setTimeout(done, 1000); signal?.addEventListener('abort', () => { clearTimeout(t); done(); }, { once: true }); });
	}
	if (!wait) show(h('span', 'Lost'));
}

async function identify(signal) {
	who = await get('v1/whoami', {}, signal);
	const all = who.read?.includes('*'), stores = all ? 'all stores' : who.read?.length ? who.read.map(plain).join(', ') : 'no store';
	who.reads = stores;
	$('#who').replaceChildren(...(who.name ? name(who.name) : ['no token']));
	$('.who summary').setAttribute('aria-label', who.name ? `Token ${plain(who.name)}` : 'No token');
	$('[data-section=server]').hidden = !who.admin;
	const rights = who.admin ? 'administrator' : who.write?.length && !who.read_only ? 'may write' : 'read only';
	$('#grant').replaceChildren(h('p', h('b.m', who.name ? name(who.name) : 'No token needed'), ' ', h('span.tag', rights)),
		h('p.note', text(`May read ${stores}. The inspector only reads.`), token() ? ' The token is kept in this tab only; closing it forgets the token.' : ''),
		h('p.note', `Light and dark follow the system. Times are UTC.${who.version ? ` Igniter ${plain(who.version)}.` : ''}`),
		token() ? h('p', button('Forget token', () => { setToken(''); who = undefined; $('.who').open = false; go('?'); })) : '');
}

async function render() {
	ending.abort();
	ending = new AbortController();
	const { signal } = ending, q = query(), View = viewOf(q), main = $('#main');
	const again = view instanceof View && view.ready && view.update && (View.same?.(shown, q) ?? true);
	const moved = shown && !again;
	shown = q;
	for (const a of $$('.sections a')) {
		const section = View === Live ? 'live' : View === Server ? 'server' : 'stores';
		if (a.dataset.section === section) a.setAttribute('aria-current', 'page');
		else a.removeAttribute('aria-current');
	}
	showMoment();
	let settled = false;
	const page = {
		signal,
		get: (endpoint, params) => get(endpoint, params, signal),
		command,
		read: (seq) => showMoment(seq),
		crumbs: (...steps) => crumbs([mono(who?.log_name || location.host), '?'], ...steps),
		show(...parts) {
			if (signal.aborted) return;
			if (moved && !settled && !location.hash) { main.scrollTop = 0; main.focus({ preventScroll: true }); }
			settled = true;
			const nodes = parts.flat().filter((x) => x);
			if (nodes.length !== main.childNodes.length || nodes.some((n, i) => n !== main.childNodes[i])) main.replaceChildren(...nodes);
		},
		wait(state) {
			setTimeout(() => { if (!signal.aborted) page.again(); }, 3000);
			this.show(states(state));
		},
		again: () => { view = undefined; render(); },
		fail: (e) => fail(e, page, signal),
	};
	const late = setTimeout(() => { if (!settled && !again && !signal.aborted) main.replaceChildren(loading(plain(q.get('store') ?? 'the log'))); }, LATE);
	main.setAttribute('aria-busy', 'true');
	try {
		if (!who) await identify(signal);
		if (!again) view = new View();
		await view[again ? 'update' : 'open'](page);
		if (signal.aborted) return;
		view.ready = true;
		tries = undefined;
		lineage = view.lineage?.() || (q.has('fact') ? location.search : lineage);
		document.title = `${view.title ?? View.title} · Igniter`;
		if (moved) say(view.title ?? View.title);
	} catch (e) {
		page.fail(e);
	} finally {
		clearTimeout(late);
		if (!signal.aborted) main.removeAttribute('aria-busy');
	}
}

// fail shows why there is nothing to show, and tries again what may pass.
async function fail(e, page, signal) {
	if (signal.aborted) return;
	if (!(e instanceof Failure)) {
		console.error(e);
		e = new Failure(location.search, 0, { error: `the inspector failed: ${e.message}` });
		e.status = 500;
	}
	view = undefined;
	if (e.status === 401) {
		const had = token() !== '';
		setToken('');
		who = undefined;
		page.show(askToken(e, had));
		document.title = 'Token · Igniter';
		$('#token').focus();
		return;
	}
	const passes = e.status === 0 || e.status === 503;
	if (passes) tries = { count: (tries?.count ?? 0) + 1, since: tries?.since ?? new Date().toISOString().slice(11, 19) };
	page.show(failed(e, passes ? tries : undefined, () => page.again(), who));
	document.title = `${e.status === 404 ? 'Not found' : 'Error'} · Igniter`;
	if (!passes) return;
	await connection(e.status === 503, 0);
	await connection(false, Math.min(LONGEST, 2 ** (tries.count - 1)), signal);
	if (!signal.aborted) page.again();
}

onConnection((up) => connection(up));
startCommand();
startMoment();
startKeys(() => view?.keys?.() ?? {}, (section) => {
	if (section === 'why') {
		const to = view?.lineage?.() || lineage;
		if (to) go(to);
		else say('Open a record first');
	} else if (section !== 'server' || who?.admin) go(section === 'stores' ? href({}) : href({ view: section }));
});
start(render);

