// Screen B: the records of a store at a moment on both axes, and how that differs from now.

import { button, field, finder, form, g, h, id, say } from './dom.js';
import { at as pathOf, Failure, get } from './api.js';
import { Axis } from './axis.js';
import { command, flags } from './command.js';
import { change, go, href, note, opener, query } from './router.js';
import { isPast, moment } from './moment.js';
import { chips, conditions, popup, written } from './filters.js';
import { entries } from './json.js';
import { by, bytes, count, many, mono, name, plain, scalar, short, who } from './text.js';
import { table, td, th } from './table.js';
import { at, day } from './time.js';
import { lead, nothing, row, states, two } from './states.js';

const PAGE = 100, COLUMNS = 4, MOST = 2000;
export class Records {
	get title() { return plain(this.store); }
	static same = (a, b) => a.get('store') === b.get('store');

	async open(page) {
		this.page = page;
		this.store = query().get('store');
		this.endpoint = pathOf('v1/stores', this.store);
		this.known = new Axis('known', { go: (m) => this.when(m), step: (n) => this.step(n), rest: () => this.when({}) });
		this.valid = new Axis('true', {
			go: ({ time }) => go(change({ valid_at: time })), step: (n) => this.stepValid(n), rest: () => go(change({ valid_at: undefined })),
		});
		this.head = h('div.head', h('h1', name(this.store)));
		this.axes = h('section.panel.axes', { 'aria-label': 'Two times' }, this.known.el, this.valid.el);
		this.facets = h('aside.facets', { 'aria-label': 'Facets' });
		this.tools = h('div.tools');
		this.body = h('div');
		this.more = h('p.more');
		this.list = h('section', { 'aria-labelledby': 'list' }, h('h2.vh', { id: 'list' }, 'Records'), this.tools, this.body, this.more);
		this.split = h('div.split', this.facets, this.list);
		this.counted = h('p.end', { 'aria-live': 'polite' });
		let typed;
		this.prefix = finder('Filter by the beginning of the key', 'Key begins with', 18, (prefix) => {
			clearTimeout(typed);
			typed = setTimeout(() => go(change({ prefix: prefix || undefined }), true), 250);
		});
		page.crumbs([mono(this.store)]);
		this.counting = page.get('v1/histogram', { store: this.store, axis: 'both', buckets: 120 }).then((x) => {
			this.histogram = x;
			this.known.counts(x.known);
			this.valid.counts(x.true);
			this.shownAxes?.();
		});
		await Promise.all([this.counting, this.update(page)]);
	}

	params() {
		const q = query();
		return { ...moment(), prefix: q.get('prefix'), where: q.getAll('where'), order: q.get('order') };
	}

	async update(page) {
		this.page = page;
		const p = this.params();
		if (document.activeElement !== this.prefix) this.prefix.value = p.prefix ?? '';
		this.command(p);
		this.chips(p);
		let x;
		try {
			x = await this.ask(p);
		} catch (e) {
			if (!(e instanceof Failure) || e.status !== 428 && e.code !== 'not_loaded') throw e;
			this.readOnly(e, p);
			return;
		}
		page.read(x.place?.seq ?? x.seq);
		if (!x.keys && !isPast(p)) {
			await this.counting;
			if (!this.histogram.known?.facts) return page.wait(nothing(this.store, x.seq));
		}
		this.draw(x, p);
		await Promise.all([this.telling(x, p), this.delta(x, p)]);
	}

	ask(p) { return this.page.get(this.endpoint, { ...p, limit: PAGE, facet: this.fields ?? ['producer'] }); }

	// telling counts the values of fields that tell records apart.
	async telling(x, p) {
		if (this.fields) return;
		const facet = [...this.few(x), 'producer'], at_seq = p.at_seq ?? (p.as_of ? undefined : x.seq || undefined);
		if (facet.length > 1) x.facets = (await this.page.get(this.endpoint, { ...p, at_seq, limit: 1, facet })).facets;
		this.fields = facet;
		this.drawFacets(x, p);
	}

	few(x) {
		const values = new Map();
		for (const r of x.records) {
			for (const [field, raw] of r.value?.kind === 'object' ? entries(r.value, 50) : []) {
				if (raw.kind === 'object' || raw.kind === 'array' || raw.text.length > 60) continue;
				if (!values.has(field)) values.set(field, []);
				values.get(field).push(raw.text);
			}
		}
		return [...values].filter(([field, all]) => !/[=<>!.]/.test(field) && all.length > 1 && new Set(all).size <= Math.min(12, Math.max(1, all.length / 2))).slice(0, 4).map(([field]) => field);
	}

	command(p) {
		const words = ['list', this.store, ...p.where.flatMap((w) => ['--where', w]), ...(p.prefix ? ['--prefix', p.prefix] : []), ...flags(p)];
		command(words, this.endpoint, p);
	}

	chips(p) {
		if (this.tools.querySelector('details[open]')) return;
		this.tools.replaceChildren(this.prefix.box, ...chips(p.where), popup('+ Filter', ...conditions(p.where, this.all)), this.columns(), this.counted);
	}

	columns() {
		const all = this.all ?? [], shown = this.shown ?? [];
		const boxes = all.slice(0, 40).map((f) => h('label.row', h('input', { type: 'checkbox', checked: shown.includes(f), value: f, change: () => {
			const picked = boxes.map((b) => b.firstChild).filter((b) => b.checked).map((b) => b.value);
			note({ col: picked.length ? picked : [''] });
			this.shown = picked;
			if (this.last) this.rows(this.last);
			counts.textContent = `${picked.length} of ${all.length}`;
		} }), mono(f)));
		const counts = h('span.dim', `${shown.length} of ${all.length}`);
		return all.length ? popup(['Columns ', counts], boxes[0].firstChild, h('fieldset', h('legend.vh', 'Columns'), boxes)) : '';
	}

	draw(x, p) {
		const picked = query().getAll('col');
		this.all = x.fields ?? [];
		this.shown = picked.length ? picked.filter(Boolean) : this.all.slice(0, COLUMNS);
		this.showAxes(x.place, p);
		this.head.replaceChildren(h('h1', name(this.store)), h('p.dim', many(x.keys, 'key') + (isPast(p) ? ' then' : '')),
			x.horizon ? h('span.tag', `compacted before seq ${count(x.horizon.seq)}`) : '');
		const filtered = p.where.length || p.prefix;
		this.counted.replaceChildren(h('b', count(x.count)), filtered ? ` of ${count(x.keys)} match` : x.count === 1 ? ' record' : ' records');
		this.chips(p);
		this.drawFacets(x, p);
		this.last = { ...x, records: [...x.records] };
		this.rows(this.last);
		this.page.show(this.head, this.axes, this.split);
	}

	showAxes(place, p) {
		const seq = p.at_seq ?? place?.seq;
		this.shownAxes = () => {
			this.known.show(isPast(p) ? p.as_of ?? place?.time : '', seq ? `seq ${count(seq)}` : '');
			this.valid.show(p.valid_at ?? '', this.histogram?.dated === undefined ? '' : `${count(this.histogram.dated)} dated`);
		};
		this.shownAxes();
	}

	drawFacets(x, p) {
		const of = (field, f) => {
			const at = id('facet'), most = Math.max(1, f.values.reduce((n, v) => n + v.count, 0), f.missing === undefined ? 0 : f.missing + f.values.reduce((n, v) => n + v.count, 0)), producer = field === 'producer';
			const values = f.values.map((v) => {
				const share = Math.round((v.count / most) * 100), where = `${field}=${written(v.value)}`, on = !producer && p.where.some((w) => w === where || w === `${field}=${v.value.text}`);
				const inside = [g('svg', { viewBox: '0 0 100 2', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, g('rect', { width: share, height: 2, fill: 'currentColor' })),
					h('span', producer ? name(by(v.value) || 'not given') : scalar(v.value, 24)), h('span', count(v.count)), h('span', `${share}%`)];
				if (producer) return h('div.value', inside);
				return h('a', { href: change({ where: on ? p.where.filter((w) => w !== where && w !== `${field}=${v.value.text}`) : [...p.where.filter((w) => !w.startsWith(`${field}=`)), where] }), 'aria-current': on ? 'true' : undefined }, inside);
			});
			return h('section.facet', { 'aria-labelledby': at }, h('h2', { id: at }, h('b', producer ? 'by' : name(field)), h('span', many(f.distinct, 'value'))), values);
		};
		this.facets.replaceChildren(...(this.fields ?? ['producer']).map((field) => [field, x.facets?.[field]]).filter(([, f]) => f?.values?.length).map(([field, f]) => of(field, f)));
	}

	sorter(what, order, cls, first = '') {
		const now = query().get('order') ?? 'first', on = now === order ? 'ascending' : now === `-${order}` ? 'descending' : undefined;
		const next = on === 'ascending' ? `-${order}` : on === 'descending' ? undefined : first + order;
		return [h('button', { type: 'button', class: cls.includes('m') ? 'm' : '', click: () => go(change({ order: next })) }, what, on && h('span', { 'aria-hidden': 'true' }, on === 'ascending' ? ' ↑' : ' ↓')), cls.replace('m', ''), { 'aria-sort': on }];
	}

	rows(x) {
		const numeric = (f) => x.records.every((r) => { const v = r.cells.get(f); return !v || v.kind === 'number'; });
		for (const r of x.records) r.cells ??= new Map(r.value?.kind === 'object' ? entries(r.value, 200) : []);
		const cols = this.shown.map((f, i) => [f, numeric(f) ? 'r' : '', i > 1 ? ' p3' : '']);
		const heads = [this.sorter('Key', 'key', ''), ...cols.map(([f, r, p3]) => (/^[\w-]+$/.test(f) ? this.sorter(name(f), `value.${f}`, `m ${r}${p3}`) : [mono(f), r + p3])),
			...(cols.length ? [] : [['Value']]), ['Versions', 'r'], this.sorter('Changed', 'changed', '', '-'), ['By'], [h('span.true', 'True since')]];
		const rows = x.records.map((r) => h('tr', th('', opener({ store: this.store, key: r.key }, 'm', name(r.key))),
			cols.map(([f, right, p3]) => td(f, `m ${right}${p3}`, r.cells.has(f) ? scalar(r.cells.get(f)) : '')),
			cols.length ? [] : td('value', 'm j cut full', r.value ? short(r.value, 160) : `${bytes(r.value_bytes ?? 0)}`),
			td('versions', 'r', count(r.version)), td('changed', 'nb', at(r.time)), td('by', '', who(r)), td('true since', r.valid ? 'true nb' : 'nb', r.valid ? at(r.valid, day) : '')));
		this.body.replaceChildren(rows.length ? table('rows', `Keys of ${plain(this.store)}`, heads, rows) : h('p.two.none', x.keys ? 'No record matches.' : 'No key has a value then.'));
		this.more.replaceChildren(h('span', `${count(rows.length)} of ${count(x.count)} shown`), ' ',
			x.next && rows.length < MOST ? button(`Next ${PAGE}`, () => this.next()) : x.next ? h('span', 'Filter to see others, or read all with the command below.') : '');
	}

	async next() {
		try {
			const x = await this.page.get(this.endpoint, { ...this.params(), limit: PAGE, cursor: this.last.next });
			this.last.records.push(...x.records);
			this.last.next = x.next;
			this.rows(this.last);
			say(`${this.last.records.length} of ${this.last.count} shown`);
		} catch (e) { this.page.fail(e); }
	}

	// delta says how the past that is shown differs from now.
	async delta(x, p) {
		if (!isPast(p)) return;
		const from = p.at_seq ?? x.place?.seq ?? p.as_of;
		const d = await this.page.get(pathOf('v1/diff', this.store), { from, from_valid: p.valid_at, to_valid: p.valid_at, limit: 0 });
		this.head.append(h('p.delta.end', h('span', 'Since then ', h('b.plus', `+${count(d.entered)}`), ' new, ', h('b', count(d.changed)), ' changed, ',
			h('b.minus', `−${count(d.left)}`), ' deleted'), ' ', h('a', { href: href({ view: 'diff', store: this.store, from, as_of: undefined, valid_at: p.valid_at }) }, 'Show the difference')));
	}

	readOnly(e, p) {
		const key = field('Key', { size: 16 }), one = form('form.row', () => go(href({ store: this.store, key: key.value })), h('label', 'or read one key ', key), h('button.b', 'Read'));
		const facts = e.body.facts ?? 0, load = button(`Load ${plain(this.store)}`, () => this.load(load, p), 'b go');
		this.showAxes(undefined, p);
		this.asked = h('div.body', lead(name(this.store), ' is not in memory'),
			two(`Listing by value reads ${many(facts, 'fact')}: about ${Math.max(0.1, facts / 200000).toFixed(1)} s, and ${bytes(e.body.bytes ?? 0)} until the store is unloaded. Reading one key does not need that.`), row(load), one);
		this.page.show(this.head, this.axes, states(h('section.panel', { 'aria-labelledby': 'ask' }, h('div.head', h('h2', { id: 'ask' }, 'Ask before a costly read')), this.asked)));
	}

	async load(b, p) {
		const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Facts read' }), said = h('span.dim');
		const stop = new AbortController(), signal = AbortSignal.any([stop.signal, this.page.signal]);
		this.asked.replaceChildren(h('p.row', h('b', 'Reading '), name(this.store), ' ', said), bar, row(button('Stop', () => { stop.abort(); this.page.again(); })));
		this.asked.setAttribute('aria-busy', 'true');
		const watch = setInterval(async () => {
			try {
				const s = (await get('v1/stores', { days: 0 }, signal)).stores.find((x) => x.store === this.store);
				if (!s?.loading) return;
				bar.max = s.loading.total;
				bar.value = s.loading.done;
				said.textContent = `${count(s.loading.done)} of ${many(s.loading.total, 'fact')}`;
			} catch { /* the request below tells */ }
		}, 500);
		try {
			await get(this.endpoint, { ...p, load: 1, limit: 1 }, signal);
			this.page.again();
		} catch (e) {
			if (!stop.signal.aborted) this.page.fail(e);
		} finally { clearInterval(watch); }
	}

	when({ time, seq }) { go(change({ as_of: time, at_seq: seq })); }

	async step(n) {
		try {
			const m = moment(), x = await this.page.get('v1/moment', { store: this.store, ...(m.at_seq ? { seq: m.at_seq } : m.as_of ? { at: m.as_of } : {}) });
			if (n < 0 && x.previous) this.when({ seq: x.previous.seq });
			else if (n > 0 && x.next) this.when({ seq: x.next.seq });
			else if (n > 0) this.when({});
			say(n < 0 ? (x.previous ? `seq ${x.previous.seq}` : 'This is the first fact') : x.next ? `seq ${x.next.seq}` : 'Now');
		} catch (e) { this.page.fail(e); }
	}

	// stepValid looks for the next time from which a fact is true, in finer and finer histograms.
	async stepValid(n) {
		try {
			const all = this.histogram?.true;
			if (!all) return;
			let from = Date.parse(all.from), to = Date.parse(all.to);
			const now = query().get('valid_at'), here = now ? Date.parse(now) : to;
			if (n < 0) to = here; else from = here + 1;
			while (to - from > 1) {
				const buckets = Math.min(1000, to - from), x = (await this.page.get('v1/histogram', { store: this.store, axis: 'true', from: new Date(from).toISOString(), to: new Date(to).toISOString(), buckets })).true;
				const i = n < 0 ? x.counts.findLastIndex((c) => c > 0) : x.counts.findIndex((c) => c > 0);
				if (i < 0) { if (n > 0) go(change({ valid_at: undefined })); return say('There is no further one'); }
				const step = (to - from) / buckets;
				[from, to] = [from + Math.floor(i * step), Math.min(to, from + Math.ceil((i + 1) * step))];
				if (step <= 1) break;
			}
			go(change({ valid_at: new Date(from).toISOString().replace('.000Z', 'Z') }));
		} catch (e) { this.page.fail(e); }
	}
}

