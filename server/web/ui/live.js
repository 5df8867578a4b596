// Screen E: facts as they come, and whether any was missed.

import { button, field, finder, form, h, say } from './dom.js';
import { Failure, events } from './api.js';
import { bars } from './chart.js';
import { command } from './command.js';
import { change as changed, since } from './diff.js';
import { connection } from './main.js';
import { chip, chips, popup } from './filters.js';
import { parse } from './json.js';
import { change, go, href, query } from './router.js';
import { by, count, many, name, who } from './text.js';
import { asTable, filterRows, td, th } from './table.js';
import { clock, exact } from './time.js';

const KEPT = 1000, PAST = 100, SECONDS = 60;
const FILTERS = [['store', 'store'], ['prefix', 'key begins with'], ['key', 'key'], ['producer', 'by'], ['where', 'value, such as total>900']];
const LISTS = new Set(['store', 'where']);

const now = () => clock(new Date().toISOString()).slice(0, 8);

export class Live {
	static title = 'Live';

	params() {
		const q = query(), p = { store: q.getAll('store'), where: q.getAll('where') };
		for (const name of ['key', 'prefix', 'producer']) if (q.has(name)) p[name] = q.get(name);
		return p;
	}

	async open(page) {
		this.page = page;
		const q = query(), p = this.params();
		page.crumbs(['Live']);
		const head = await page.get('v1/moment');
		const from = q.get('after') ?? '', start = q.get('since') ?? '';
		const named = 'key' in p || p.prefix;
		const which = [...p.store, ...(named ? ['--key', p.key ?? `${p.prefix}*`] : []), ...(p.producer ? ['--producer', p.producer] : []), ...p.where.flatMap((w) => ['--where', w])];
		if (start && !from && !named && p.store.length < 2) command(['log', ...which, '--since', start], 'v1/facts', { ...p, since: start });
		else command(['follow', ...which, ...(from ? ['--after', from] : [])], 'v1/events', { ...p, after: from || head.seq });
		const want = from || start ? KEPT : PAST, past = [];
		for (let before; head.seq && past.length < want;) { // an answer may end before its limit
			const more = await page.get('v1/facts', { ...p, after: from, since: start, through: head.seq, before, reverse: 1, changes: 1, limit: want - past.length });
			if (!more.length) break;
			past.push(...more);
			before = more.at(-1).seq;
		}
		page.read(head.seq);
		this.paused = false;
		this.held = [];
		this.matched = 0;
		this.earlier = from || start ? `${many(past.length, 'fact')}${past.length === KEPT ? ' or more' : ''} ${start ? `since ${exact(start).slice(0, 16)}` : `after seq ${count(from)}`}, then ` : '';
		this.began = this.seq = head.seq;
		this.rate = new Array(SECONDS).fill(0);
		this.body = h('tbody', { id: 'tail' }, past.map((f) => this.row(f)));
		this.draw(p, from);
		this.count();
		const beat = setInterval(() => this.second(), 1000);
		page.signal.addEventListener('abort', () => clearInterval(beat));
		this.follow(p, head.seq);
	}

	update(page) { return this.open(page); }

	draw(p, from) {
		this.matchedText = h('p.dim', { id: 'matched', 'aria-live': 'off' });
		this.spark = h('span');
		this.speed = h('span.nb', '0 facts a second');
		this.pauseButton = button('Pause ', () => this.pause());
		this.pauseButton.append(h('kbd', { 'aria-hidden': 'true' }, 'Space'));
		this.pauseButton.setAttribute('aria-pressed', 'false');
		this.pauseButton.id = 'pause';
		this.find = finder('Filter what is shown', 'Find in these', 16, (value) => say(`${filterRows([...this.body.rows], value)} of ${this.body.rows.length} shown`));
		const all = [...p.store.map((s) => chip(`store = ${s}`, { store: p.store.filter((x) => x !== s) })), p.key !== undefined && chip(`key = ${p.key}`, { key: undefined }), p.prefix && chip(`key begins with ${p.prefix}`, { prefix: undefined }),
			p.producer && chip(`by = ${p.producer}`, { producer: undefined }), ...chips(p.where)];
		const after = h('input.m', { id: 'since', type: 'text', value: from ? count(from) : '', placeholder: count(this.began), size: 9, inputmode: 'numeric', autocomplete: 'off' });
		const start = form('form.end.row', () => go(change({ after: after.value.replace(/\D/g, '') || undefined, since: undefined })), h('label', { for: 'since' }, 'Since seq'), after);
		const t = asTable(h('table.rows.log.in', { id: 'log' }, h('caption.vh', 'Facts as they come, newest first'),
			h('thead', h('tr', ['Known', 'Key', 'Change', 'By'].map((c) => h('th', { scope: 'col' }, c)), h('th', { scope: 'col', class: 'r' }, 'Seq'))), this.body));
		this.page.show(h('div.head', h('h1', 'Facts as they come'), this.matchedText, h('div.end.rate', this.spark, this.speed, this.pauseButton)),
			h('div.tools', { role: 'search', 'aria-label': 'What to follow' }, this.find.box, all, this.adder(p), start),
			h('div.wrap', t), h('p.more', h('span', `The tail keeps the latest ${count(KEPT)} here; older facts stay in the log.`)));
	}

	adder(p) {
		const kind = h('select', { 'aria-label': 'Filter by' }, FILTERS.map(([v, label]) => h('option', { value: v }, label)));
		const value = field('Value', { size: 18 });
		return popup('+ Filter', value, form('form.row', () => {
			if (value.value || kind.value === 'key') go(change({ [kind.value]: LISTS.has(kind.value) ? [...p[kind.value], value.value] : value.value }));
		}, kind, value, h('button.b.go', 'Add')));
	}

	row(f, fresh) {
		const tr = h('tr', { class: fresh ? 'f fresh' : 'f' }, h('td.m.tm.dim', h('time', { datetime: f.time, title: f.time }, clock(f.time))),
			th('', h('a.m', { 'data-open': '', href: href({ store: f.store, key: f.key, v: f.seq, as_of: undefined, at_seq: undefined }) }, name(f.store), '/', name(f.key))),
			h('td.full', changed(f), since(f)), td('by', '', who(f)), h('td.m.r.sq', { 'data-l': 'seq' }, count(f.seq)));
		return asTable(tr);
	}

	add(tr) {
		if (this.paused) {
			this.held.push(tr);
			if (this.held.length > KEPT) this.held.shift();
			return;
		}
		if (this.find.value) tr.hidden = !tr.textContent.toLowerCase().includes(this.find.value.toLowerCase());
		this.body.prepend(tr);
		while (this.body.rows.length > KEPT) this.body.lastElementChild.remove();
	}

	pause() {
		this.paused = !this.paused;
		this.pauseButton.setAttribute('aria-pressed', this.paused);
		if (!this.paused) for (const tr of this.held.splice(0)) this.add(tr);
		say(this.paused ? 'Paused' : 'Going on');
		this.count();
	}

	count() {
		this.matchedText.textContent = `${this.earlier}${this.seq > this.began ? `${count(this.matched)} matched of ${count(Math.max(this.matched, this.seq - this.began))}` : 'none yet'}${this.paused ? `, paused with ${count(this.held.length)} waiting` : ''}`;
	}

	second() {
		if (document.hidden) return;
		const full = this.rate.slice(0, -1), last = full.slice(-10), n = last.reduce((a, b) => a + b, 0) / last.length;
		this.speed.textContent = `${n >= 10 || n === 0 ? Math.round(n) : n.toFixed(1)} facts a second`;
		this.spark.replaceChildren(bars('spark', this.rate, `Facts a second over the last minute, at most ${Math.max(...this.rate)}`, 180));
		this.rate.push(0);
		if (this.rate.length > SECONDS) this.rate.shift();
	}

	// follow shows what comes, and goes on where it stopped when the connection was lost.
	async follow(p, seq) {
		const { signal } = this.page;
		let last = '', lost = '', tries = 0, before = seq;
		while (!signal.aborted) {
			try {
				for await (const e of events({ ...p, after: seq, changes: 1 }, last, signal)) {
					tries = 0;
					connection(true);
					if (e.event === 'igniter-error' || e.event === 'error') {
						const why = parse(e.data);
						if (why.error_code === 'access_changed') break;
						throw new Failure('v1/events', 409, why);
					}
					if (e.id) {
						last = e.id;
						this.seq = Math.max(this.seq, Number.parseInt(e.id, 10));
					}
					if (lost) {
						this.add(asTable(h('tr.gap', h('td', { colspan: 5 }, h('b', `Connection lost ${lost}, back ${now()}.`), ` Nothing missed: it goes on after ${count(before)}.`))));
						say(`Connected again after ${before}, nothing missed`);
						lost = '';
					}
					if (e.event === 'fact') {
						const f = parse(e.data);
						this.matched++;
						this.rate[this.rate.length - 1]++;
						this.add(this.row(f, true));
						this.seq = Math.max(this.seq, f.seq);
					}
					this.page.read(this.seq);
					this.count();
				}
				if (signal.aborted) return;
			} catch (e) {
				if (signal.aborted) return;
				if (!(e instanceof Failure) || e.status !== 0 && e.status !== 503) { this.page.fail(e); return; }
			}
			if (!lost) { lost = now(); before = Number.parseInt(last || seq, 10); say('Connection lost'); }
			const wait = Math.min(30, 2 ** tries++);
			await connection(false, wait, signal);
		}
	}

	keys() { return { pause: () => this.pause() }; }
}

