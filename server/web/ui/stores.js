// Screen A: which stores there are, what moved lately, who wrote in the last hour.

import { button, field, finder, form, h, say, section } from './dom.js';
import { at as pathOf } from './api.js';
import { bars } from './chart.js';
import { go, href, link, opener } from './router.js';
import { isPast, moment } from './moment.js';
import { by, bytes, count, many, name, plain } from './text.js';
import { filterRows, table, td, th } from './table.js';
import { ago, at, clock, exact } from './time.js';
import { nothing } from './states.js';

const cost = (s) => [s.memory ? `about ${bytes(s.memory)}` : '', s.facts > 20000 ? `${(s.facts / 200000).toFixed(1)} s` : ''].filter(Boolean).join(', ');

export class Stores {
	static title = 'Stores';

	async open(page) {
		this.page = page;
		const m = moment();
		page.crumbs(['Stores']);
		page.command(['list', '--json'], 'v1/stores');
		const all = await page.get('v1/stores');
		page.read(all.seq);
		if (!all.stores.length) return page.wait(nothing(all.seq ? '' : 'tasks', all.seq));
		if (isPast(m)) {
			const { at: place } = await page.get('v1/moment', m.at_seq ? { seq: m.at_seq } : { at: m.as_of });
			this.end = place?.time;
			page.read(place?.seq ?? 0);
		}
		const rows = all.stores.sort((a, b) => b.facts - a.facts).map((s) => this.row(s));
		const disk = all.bytes !== undefined ? `, ${bytes(all.bytes)} on disk` : '';
		const shown = h('p.dim', { 'aria-live': 'polite' }, `${many(all.stores.length, 'store')}, ${many(all.facts, 'fact')}${disk}`);
		const filter = finder('Filter stores by name', 'Filter stores', 28, (value) => say(`${filterRows(rows, value)} of ${rows.length} shown`));
		const hour = section('hour', this.end ? 'The hour before then' : 'The last hour');
		page.show(h('div.head', h('h1', 'Stores'), shown),
			isPast(m) && h('p.note', 'Stores and counts are those of now; each store opens as it was then.'),
			h('div.tools', filter.box, this.goTo(all)),
			table('rows roomy', `Stores that may be read, at seq ${count(all.seq)}`,
				[['Store'], ['Keys', 'r'], ['Facts', 'r'], ['30 days', 'p3'], ['Last written'], ['In memory']], rows), hour);
		if (all.more) shown.append(', and more that are not listed');
		await this.lastHour(hour, all.seq);
	}

	row(s) {
		const notes = [s.horizon && `compacted before seq ${count(s.horizon.seq)}`, s.loading && `loading, ${count(s.loading.done)} of ${count(s.loading.total)}`].filter(Boolean);
		const memory = s.loaded ? bytes(s.memory ?? 0) : [this.load(s), ' ', h('span.note.dim', cost(s))];
		return h('tr', th('', opener({ store: s.store }, '', name(s.store)), notes.map((n) => h('span.note.dim', ` ${n}`))),
			td('keys', 'r', s.keys === undefined ? '' : count(s.keys)), td('facts', 'r', count(s.facts)),
			td('30 days', 'p3', bars('spark', s.days ?? [], `Facts a day over ${many((s.days ?? []).length, 'day')}, ${plain(s.store)}`)),
			td('written', 'nb', at(s.last_time), h('span.note.dim', `  ${ago(s.last_time)}`)), td('memory', 'nb', memory));
	}

	load(s) {
		const b = button('Load', async () => {
			b.disabled = true;
			b.textContent = 'Loading';
			say(`Loading ${plain(s.store)}`);
			try {
				await this.page.get(pathOf('v1/stores', s.store), { load: 1, limit: 1 });
				this.page.again();
			} catch (e) { this.page.fail(e); }
		});
		b.setAttribute('aria-label', `Load ${plain(s.store)} into memory, ${cost(s)}`);
		return b;
	}

	goTo(all) {
		const why = h('p.minus.note', { role: 'alert' });
		const input = field('Go to a key, store/key or fact ID', { placeholder: 'Go to store/key or fact ID', size: 34 });
		return form('form.row', async () => {
			const text = input.value, known = all.stores.map((s) => s.store).sort((a, b) => b.length - a.length);
			const store = known.find((s) => text.startsWith(`${s}/`));
			if (store) return go(href({ store, key: text.slice(store.length + 1) }));
			if (known.includes(text)) return go(href({ store: text }));
			try {
				const f = await this.page.get(pathOf('v1/facts', text.trim()));
				go(href({ store: f.store, key: f.key, v: f.seq }));
			} catch (err) {
				why.textContent = err.status === 404 ? '✕ There is no such store, and no fact with this ID.' : `✕ ${err.message}`;
			}
		}, h('span.lab', input), why);
	}

	async lastHour(hour, seq) {
		const end = this.end ? Date.parse(this.end) + 1 : Date.now(), from = new Date(end - 36e5).toISOString(), to = new Date(end).toISOString();
		const x = await this.page.get('v1/histogram', { from, to, buckets: 60, by: ['store', 'producer'], at_seq: seq || undefined });
		const counts = x.known?.counts ?? [], all = x.known?.facts ?? 0, groups = x.groups ?? [];
		const total = (key) => groups.reduce((m, x) => m.set(key(x), (m.get(key(x)) ?? 0) + x.facts), new Map());
		const top = (m, n) => [...m].sort((a, b) => b[1] - a[1]).slice(0, n).map(([k]) => k);
		const writers = total((x) => by(x.producer)), stores = top(total((x) => x.store), 4), most = Math.max(...counts, 0);
		const busiest = most ? `, busiest at ${clock(new Date(end - 36e5 + counts.indexOf(most) * 6e4).toISOString()).slice(0, 5)} with ${count(most)} a minute` : '';
		hour.firstChild.append(h('p.dim', all ? `${many(all, 'fact')} from ${many(writers.size, 'producer')}${busiest}` : 'no facts'),
			h('p.end', link({ view: 'live', since: from }, 'b', 'Open as a tail')));
		if (!all) return;
		const ticks = [0, 15, 30, 45, 60].map((m) => h('span', clock(new Date(end - 36e5 + m * 6e4).toISOString()).slice(0, 5)));
		const of = (who, store) => groups.filter((x) => by(x.producer) === who && (store === undefined || x.store === store)).reduce((n, x) => n + x.facts, 0);
		hour.append(h('div.halves',
			h('figure', bars('hist tall', counts, `Facts a minute from ${exact(from)} to ${exact(to)}, at most ${count(most)}`, 960, 72), h('div.ticks', { 'aria-hidden': 'true' }, ticks)),
			table('', 'Facts of the hour by producer and store', [['By'], ...stores.map((s) => [name(s), 'r']), ['All', 'r']],
				top(writers, 8).map((who) => h('tr', th('', who ? name(who) : h('span.dim', 'not given')), stores.map((s) => td('', 'r', of(who, s) ? count(of(who, s)) : '')), td('', 'r', count(of(who))))))));
	}
}

