// Screen C: the versions of a key: when it changed, who did it, and what differs.

import { button, copy, finder, g, h, say, tabs, terms } from './dom.js';
import { at as pathOf } from './api.js';
import { marks } from './chart.js';
import { command, flags } from './command.js';
import { change as changed, sideBySide } from './diff.js';
import { change, go, href, link, note, query } from './router.js';
import { isPast, moment } from './moment.js';
import { by, bytes, count, many, mono, name, oddities, plain, Printer, text, who } from './text.js';
import { filterRows, table, td, th } from './table.js';
import { at, day, exact } from './time.js';
import { lead, panel, row, states, two } from './states.js';

const PAGE = 100, PRINTED = 64 << 10;

const KINDS = [['All versions', () => true], ['Known later than true', (v) => Boolean(v.valid) && v.valid < v.time], ['With a cause', (v) => Boolean(v.rule || v.causes)], ['Deletions', (v) => v.kind === 'deleted']];

const of = (v) => ({ fact: v.id, of: v.store });

export class History {
	get title() { return `${plain(this.store)}/${plain(this.key)}`; }
	static same = (a, b) => ['store', 'key', ...['as_of', 'at_seq', 'valid_at']].every((p) => a.get(p) === b.get(p));

	async open(page) {
		this.page = page;
		const q = query();
		this.store = q.get('store');
		this.key = q.get('key');
		this.endpoint = pathOf('v1/history', this.store, this.key);
		page.crumbs([mono(this.store), href({ store: this.store })], [mono(this.key)]);
		const m = moment();
		command(['history', this.store, this.key, ...flags(m)], this.endpoint, { ...m, limit: PAGE });
		let x;
		try {
			x = /^\.\.?$/.test(this.key) ? await this.dots(m) : await page.get(this.endpoint, { ...m, limit: PAGE, ticks: 1 });
		} catch (e) {
			if (e.status !== 404) throw e;
			return this.never(e);
		}
		page.read(isPast(m) ? m.at_seq ?? x.last?.seq ?? x.seq : x.seq);
		this.x = x;
		this.records = x.records;
		this.after = x.next;
		const want = Number(q.get('v'));
		if (want && !this.records.some((r) => r.seq === want) && want < (this.records.at(-1)?.seq ?? 0)) {
			const older = await page.get(this.endpoint, { ...m, limit: PAGE, before: want + 1 });
			if (older.records.length) [this.records, this.after, this.cutOff] = [older.records, older.next, true];
		}
		this.draw(m);
		this.choose(Math.max(0, this.records.findIndex((r) => r.seq === want)), true);
	}

	// dots reads the versions of a key that no browser leaves in a path.
	async dots({ at_seq, as_of }) {
		const records = await this.page.get('v1/facts', { store: this.store, key: this.key, through: at_seq, until: as_of, reverse: 1, changes: 1 });
		return { records, versions: records.length, seq: records[0]?.seq ?? 0, first: records.at(-1) };
	}

	async update(page) {
		this.page = page;
		const want = Number(query().get('v')), i = this.records?.findIndex((r) => r.seq === want) ?? -1;
		if (i < 0) return this.open(page);
		this.choose(i, true);
	}

	// never is what a key that was never written shows: keys that begin alike.
	async never(e) {
		let like = [];
		const start = this.key.slice(0, Math.max(1, Math.ceil(this.key.length * 0.7)));
		try {
			like = this.key ? (await this.page.get(pathOf('v1/stores', this.store), { prefix: start, limit: 5 })).records : [];
		} catch { /* the store is not in memory, which is no reason to load it */ }
		const past = isPast();
		this.page.show(states(panel(past ? 'Not written then' : 'Never written', `404 ${e.code.replace('_', ' ')}`, lead(mono(this.key), past ? ' had not been written then' : ' was never written'),
			two('No fact in ', name(this.store), ' has this key', past ? ' at that moment.' : '.', like.length ? ' Similar keys: ' : '', like.flatMap((r) => [link({ store: this.store, key: r.key }, 'm', name(r.key)), ' '])),
			row(past && h('a.b.go', { href: change({ as_of: undefined, at_seq: undefined }) }, 'Look at now'), this.key && link({ store: this.store, prefix: start }, 'b', 'Keys that begin with ', name(start)), link({ store: this.store }, 'b', 'All keys')))));
	}

	draw(m) {
		const x = this.x, newest = this.records[0], deleted = !this.cutOff && newest?.kind === 'deleted';
		const whole = x.whole === undefined ? '' : x.whole ? h('span.tag.ok', '✓ follows unbroken') : h('span.tag.wa', x.horizon ? `▲ compacted before seq ${count(x.horizon.seq)}` : '▲ versions are missing');
		const odd = oddities(this.key);
		this.copyValue = button('Copy value', () => this.copy());
		this.why = h('a.b', { href: '?' }, 'Why this value');
		const head = h('div.head', h('h1.raw', name(this.key)),
			h('p.dim', `${many(x.versions, 'version')}${x.first?.time ? ` since ${x.first.time.slice(0, 10)}` : ''}`), whole,
			deleted && h('span.tag.no', '− deleted'), h('div.end', this.why, this.copyValue));
		const warning = odd && h('p.warn.note.odd', `▲ The key contains characters that are not seen as such: ${odd}. They are spelled out.`);
		const gone = deleted && h('p.two.note', 'Deleted by ', by(newest.producer) ? name(by(newest.producer)) : 'an unnamed producer', ` on ${exact(newest.time)}, at seq ${count(newest.seq)}. Its ${many(x.versions, 'version')} are kept. `,
			newest.previous_seq ? h('a', { href: change({ v: newest.previous_seq }) }, 'The value just before') : '');
		this.filter = finder('Filter versions', 'Field, value or producer', 24, () => this.narrow());
		this.kind = h('select', { 'aria-label': 'Show', change: () => this.narrow() }, KINDS.map(([k]) => h('option', k)));
		this.rows = [];
		this.listed = h('div');
		this.more = h('p.more');
		this.side = h('section.panel', { 'aria-labelledby': 'diff-title' });
		this.sideFrame();
		this.list();
		this.page.show(head, warning, gone, this.lanes(), h('div.pair',
			h('section', { 'aria-labelledby': 'versions' }, h('h2.vh', { id: 'versions' }, 'Versions'),
				h('div.tools', this.filter.box, this.kind, h('p.end.hint', 'older ', h('kbd', '['), ' ', h('kbd', ']'), ' newer')),
				this.listed, this.more), this.side));
	}

	list() {
		this.rows = this.records.map((v) => {
			const links = (v.causes ?? 0), why = v.rule ? `rule ${plain(v.rule)}` : links ? many(links, 'cause') : '';
			return h('tr', { 'data-seq': v.seq }, th('', h('a', { href: change({ v: v.seq }), 'data-open': '' }, v.version ? count(v.version) : '?')), td('seq', 'm r p3', count(v.seq)), td('known', 'nb', at(v.time)),
				td('by', 'nb', who(v)), h('td.cut.full', changed(v)), td('true since', v.valid ? 'nb true' : 'nb', v.valid ? at(v.valid, day) : ''), td('why', 'nb', why ? link(of(v), '', why) : ''));
		});
		this.listed.replaceChildren(table('rows in', `Versions of ${plain(this.store)}/${plain(this.key)}, newest first`, [['Ver.'], ['Seq', 'r p3'], ['Known'], ['By'], ['Change'], ['True since'], ['Why']], this.rows));
		this.rows.forEach((tr, i) => tr.addEventListener('click', (e) => {
			if (e.target.closest('a:not([data-open])') || e.ctrlKey || e.metaKey) return;
			e.preventDefault();
			this.choose(i);
		}));
		this.more.replaceChildren(h('span', `${count(this.records.length)} of ${count(this.x.versions)} shown`), ' ',
			this.cutOff ? h('a.b.q', { href: change({ v: undefined }) }, 'Newest') : '', this.after ? button('Older', () => this.older()) : '',
			this.x.first && this.after ? h('a.b.q', { href: change({ v: this.x.first.seq }) }, 'First version') : '');
		this.narrow();
	}

	async older() {
		try {
			const x = await this.page.get(this.endpoint, { ...moment(), limit: PAGE, before: this.after });
			this.records.push(...x.records);
			this.after = x.next;
			const at = this.at;
			this.list();
			this.mark(at);
			say(`${this.records.length} of ${this.x.versions} versions shown`);
			return x.records.length > 0;
		} catch (e) { this.page.fail(e); return false; }
	}

	narrow() {
		let n = filterRows(this.rows, this.filter.value);
		const is = KINDS[this.kind.selectedIndex][1];
		this.rows.forEach((r, i) => { if (!r.hidden && !is(this.records[i])) { r.hidden = true; n--; } });
		if (this.filter.value || this.kind.selectedIndex) say(`${n} of ${this.rows.length} shown`);
	}

	lanes() {
		const ticks = this.x.ticks?.length ? this.x.ticks : this.records.map((r) => ({ seq: r.seq, time: r.time, valid: r.valid })).reverse();
		this.ticks = ticks;
		const times = ticks.flatMap((t) => [Date.parse(t.time), ...(t.valid ? [Date.parse(t.valid)] : [])]);
		let from = times[0] ?? 0, to = from;
		for (const t of times) { from = Math.min(from, t); to = Math.max(to, t); }
		const pad = Math.max(500, (to - from) * 0.012);
		from -= pad;
		to += pad;
		this.x100 = (t) => ((Date.parse(t) - from) / (to - from)) * 100;
		const pc = (x) => `${x.toFixed(2)}%`;
		const months = marks(from, to, innerWidth < 640 ? 5 : 11).map(([t, label]) => { const at = (t - from) / (to - from), x = pc(at * 100); return [g('line.month', { x1: x, x2: x, y1: 0, y2: 92 }), at < 0.96 && g('text', { x, y: 106 }, label)]; });
		const marksOf = ticks.map((t) => {
			const x = pc(this.x100(t.time)), tick = g('line', { class: t.kind === 'deleted' ? 'tk del' : 'tk', x1: x, x2: x, y1: 8, y2: 20 });
			if (!t.valid) return tick;
			const v = pc(this.x100(t.valid));
			return [g('line.late', { x1: x, y1: 20, x2: v, y2: 73 }), tick, g('svg', { x: v, y: 78 }, g('path.tv', { d: 'M0-4.5 4.5 0 0 4.5-4.5 0Z' }))];
		});
		this.rule = g('line.rule', { y1: 0, y2: 92 });
		this.cmp = g('circle.cmp', { cy: 14, r: 4.5 });
		this.sel = g('circle.sel', { cy: 14, r: 6 });
		const svg = g('svg.slope', { 'aria-hidden': 'true' }, months, g('line.rail', { x1: 0, x2: '100%', y1: 14, y2: 14 }), g('line.rail', { x1: 0, x2: '100%', y1: 78, y2: 78 }), marksOf, this.rule, this.cmp, this.sel);
		this.slider = h('input.vh', { type: 'range', id: 'version', min: 0, max: Math.max(0, ticks.length - 1), step: 1, value: ticks.length - 1, input: () => this.pick(this.ticks[this.slider.value]?.seq) });
		const box = h('section.panel.lanes', { 'aria-labelledby': 'lanes-title' }, h('h2.vh', { id: 'lanes-title' }, 'Timeline: when each version was known, and since when it was true'),
			h('div.grid', h('div.names', { 'aria-hidden': 'true' }, h('span.known', 'Known'), h('span'), h('span.true', 'True')), svg),
			h('label.vh', { for: 'version' }, 'Version'), this.slider,
			h('p.note', 'Each ', h('span.known', 'tick'), ' is a fact, at the time the log recorded it. A ', h('span.true', 'diamond'), ' is the time from which a fact is true; its dashed line shows how late, or early, it was recorded.',
				this.x.more_ticks ? ` The newest ${count(ticks.length)} are drawn.` : ''));
		svg.addEventListener('click', (e) => {
			const r = svg.getBoundingClientRect(), x = ((e.clientX - r.left) / r.width) * 100;
			const far = (t) => Math.abs(this.x100(t.time) - x);
			this.pick(ticks.reduce((a, b) => (far(b) < far(a) ? b : a)).seq);
		});
		return box;
	}

	pick(seq) {
		const i = this.records.findIndex((r) => r.seq === seq);
		if (i >= 0) this.choose(i);
		else if (seq) { clearTimeout(this.picking); this.picking = setTimeout(() => go(change({ v: seq }), true), 200); }
	}

	async choose(i, quiet) {
		if (i >= this.records.length && this.after && !(await this.older())) return;
		i = Math.max(0, Math.min(this.records.length - 1, i));
		const v = this.records[i];
		if (!v) return;
		this.mark(i);
		if (!quiet) {
			note({ v: v.seq });
			say(`Version ${v.version || v.seq} of ${this.x.versions}`);
			if (document.activeElement?.closest('tr')) this.rows[i].querySelector('a').focus();
		}
		this.show(v, this.records[i + 1]);
	}

	mark(i) {
		this.at = i;
		this.rows.forEach((r, k) => {
			r.classList.toggle('base', k === i + 1);
			if (k === i) r.setAttribute('aria-current', 'true');
			else r.removeAttribute('aria-current');
		});
		const v = this.records[i], base = this.records[i + 1];
		for (const [mark, r, ...names] of [[this.sel, v, 'cx'], [this.rule, v, 'x1', 'x2'], [this.cmp, base, 'cx']]) {
			mark.toggleAttribute('hidden', !r);
			for (const a of names) if (r) mark.setAttribute(a, `${this.x100(r.time).toFixed(2)}%`);
		}
		const t = this.ticks.findIndex((x) => x.seq === v.seq);
		if (t >= 0) this.slider.value = t;
		this.slider.setAttribute('aria-valuetext', `version ${v.version || v.seq}, known ${exact(v.time)}`);
	}

	sideFrame() {
		const diff = h('div', { id: 'diff', role: 'tabpanel', 'aria-labelledby': 'd-diff', tabindex: 0 }), raw = h('div', { id: 'raw-p', role: 'tabpanel', 'aria-labelledby': 'd-raw', tabindex: 0, class: 'body', hidden: true });
		const tab = (id, panel, label) => Object.assign(h('button', { type: 'button', role: 'tab', id, 'aria-controls': panel.id }, label), { panel });
		const list = h('div.end.seg', { role: 'tablist', 'aria-label': 'Show the change as' }, tab('d-diff', diff, 'Fields'), tab('d-raw', raw, 'Value'));
		[this.diff, this.raw, this.facts, this.links] = [diff, raw, h('div.body'), h('p.links')];
		this.sideTitle = h('h2', { id: 'diff-title' });
		this.side.replaceChildren(h('div.head', this.sideTitle, list), diff, raw, this.facts, this.links);
		this.tabs = [...list.children];
		tabs(list, (t) => note({ show: t.id === 'd-raw' ? 'value' : undefined }))(this.tabs[query().get('show') === 'value' ? 1 : 0]);
	}

	fields() { this.tabs.find((t) => t.getAttribute('aria-selected') === 'false')?.click(); }

	show(v, before) {
		const label = (r) => (r.version ? count(r.version) : `seq ${count(r.seq)}`);
		this.sideTitle.textContent = before ? `${label(before)} → ${label(v)}` : label(v);
		this.shown = v;
		this.diff.replaceChildren(!v.value || before && !before.value ? h('p.body.two', v.value ? 'The value before is large. ' : `The value has ${bytes(v.value_bytes)}. `, v.changes && h('span.m.j', changed(v)))
			: sideBySide(before?.value, v.value, before ? `version ${label(before)}` : v.previous_seq ? 'not read' : 'nothing before', `version ${label(v)}`));
		this.value(v);
		const follows = v.causation ? [v.previous_seq ? h('a.m', { href: change({ v: v.previous_seq }) }, text(v.causation)) : h('span.m', text(v.causation)),
			v.follows === 'no' ? h('span.tag.wa', '▲ another fact, not the version before') : v.follows === 'gone' ? h('span.tag', 'compacted') : ''] : h('span.dim', 'nothing: the first fact of this key');
		const hash = v.value_hash ? [h('span.m', v.value_hash.length > 20 ? `${plain(v.value_hash.slice(0, 8))}…${plain(v.value_hash.slice(-8))}` : text(v.value_hash)), ' ',
			v.hash_ok === true ? h('span.tag.ok', '✓ matches') : v.hash_ok === false ? h('span.tag.no', '✕ is not the value\'s') : ''] : '–';
		const facts = [['Known', `${exact(v.time)}, at seq ${count(v.seq)}`], ['True since', v.valid ? h('span.true', exact(v.valid)) : ['the same moment ', h('span.dim', '(no valid time given)')]],
			['By', [who(v, '–'), h('span.dim', v.producer ? ', as claimed' : '')]], ['Fact ID', h('span.m', text(v.id))], ['Follows', follows], ['Value hash', hash],
			...[['Producer', v.producer], ['Derived', v.derivation]].filter(([, raw]) => raw?.kind === 'object').map(([k, raw]) => [k, h('span.m', text(raw.text.slice(0, 400)))]), ...(v.schema_version > 1 ? [['Schema', v.schema_version]] : [])];
		this.facts.replaceChildren(terms(facts));
		this.links.replaceChildren(link(of(v), '', v.rule ? ['Why: rule ', name(v.rule)] : 'Why'), ' ', h('a', { href: `${href(of(v))}#led` }, 'Led to'), ' ', h('a', { href: href({ store: this.store, at_seq: v.seq, as_of: undefined }) }, 'Store at this seq'));
		this.why.setAttribute('href', href(of(v)));
	}

	// value shows a value as it was written, a part at a time.
	value(v) {
		if (!v.value) {
			const b = button(`Read ${bytes(v.value_bytes)}`, async () => { b.disabled = true; try { await this.read(v); this.value(v); } catch (e) { this.page.fail(e); } });
			return this.raw.replaceChildren(row(b, this.save(v)));
		}
		const code = h('code.j'), printer = new Printer(v.value);
		const more = button('Show the next 64 KiB', () => { if (printer.print(code, PRINTED)) more.remove(); });
		const done = printer.print(code, PRINTED), big = v.value.text.length > 4096;
		this.raw.replaceChildren(h('pre.box.raw', code), row(!done && more, big && [h('span.note.two', `${bytes(v.value.text.length)}; long texts show their ends.`), this.save(v)], h('span.note.dim', 'Numbers are shown as written.')));
	}

	async read(v) {
		if (!v.value) v.value = (await this.page.get(pathOf('v1/facts', v.id), { store: v.store })).value;
		return v.value;
	}

	async copy() {
		try { copy((await this.read(this.shown)).text, 'Value', this.copyValue); } catch (e) { this.page.fail(e); }
	}

	save(v) {
		return button('Save as a file', async () => {
			try {
				const url = URL.createObjectURL(new Blob([(await this.read(v)).text], { type: 'application/json' }));
				h('a', { href: url, download: `${v.id.replace(/[^\w-]/g, '_').slice(0, 64)}.json` }).click();
				setTimeout(() => URL.revokeObjectURL(url), 1000);
			} catch (e) { this.page.fail(e); }
		});
	}

	keys() {
		if (!this.records) return {};
		return { older: () => this.choose(this.at + 1), newer: () => this.choose(this.at - 1), fields: () => this.fields() };
	}

	lineage() { return this.shown && href(of(this.shown)); }
}

