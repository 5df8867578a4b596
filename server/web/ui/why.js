// Screen D: what led to a fact, what it led to, and whether that can be trusted.

import { button, copy, g, h, section } from './dom.js';
import { at as pathOf } from './api.js';
import { command } from './command.js';
import { change, go, href, query } from './router.js';
import { by, count, many, mono, name, plain, scalar, text, who } from './text.js';
import { entries } from './json.js';

const DRAWN = 8;

const fields = (f) => (f?.value?.kind === 'object' ? entries(f.value, 50).filter(([, v]) => !/^[{[]/.test(v.text)) : []);
const label = (f) => `${f.store}/${f.key}`;
const place = (f) => href({ store: f.store, key: f.key, v: f.seq });

export class Why {
	title = 'Why';

	async open(page) {
		this.page = page;
		const q = query();
		this.id = q.get('fact');
		const depth = q.get('depth') ?? '3', endpoint = pathOf('v1/lineage', this.id), params = { effects: 1, depth, store: q.get('of') };
		const told = (name) => command(['why', name, '--depth', depth === 'all' ? '0' : depth], endpoint, params);
		page.crumbs(['Why']);
		told(this.id);
		const x = await page.get(endpoint, { ...params, values: 1 });
		const fact = x.facts.at(-1), all = new Map([...x.facts, ...(x.effects?.facts ?? [])].map((f) => [f.seq, f]));
		const gone = new Set(x.missing ?? []);
		page.read(x.seq);
		told(String(fact.seq)); // other stores may have the ID, too
		page.crumbs([mono(fact.store), href({ store: fact.store })], [mono(fact.key), place(fact)], ['Why']);
		this.title = `Why ${plain(label(fact))}`;
		const select = h('select', { id: 'depth', change: () => go(change({ depth: select.value })) }, ['1', '2', '3', '5', 'all'].map((d) => h('option', { selected: d === depth }, d)));
		const proof = button('Copy proof', () => copy(x.proof, 'Proof', proof));
		const effects = x.effects ?? { facts: [], links: [] }, led = effects.facts.filter((f) => f !== fact);
		this.all = [...all.values()];
		page.show(h('div.head', h('h1.raw', 'Why ', name(fact.key), fact.value?.kind === 'null' ? ' is deleted' : ' has this value'), h('p.dim', `seq ${count(fact.seq)}`),
			h('div.end.row', h('label.two', { for: 'depth' }, 'Depth'), select, x.proof && proof)),
		h('div.panel.verdict', { role: 'group', 'aria-label': 'Verification' },
			x.verified ? h('b.plus', '✓ Verified') : h('b.minus', '✕ Not verified'),
			h('span', x.verified ? `${many(x.facts.length, 'fact')} read, each hash matches, ${gone.size ? `${count(gone.size)} missing` : 'none missing'}` : text(x.problem ?? '')),
			gone.size > 0 && h('span.two', `${many(gone.size, 'fact')} ${gone.size === 1 ? 'was' : 'were'} compacted or may not be read; the ${gone.size === 1 ? 'ID is' : 'IDs are'} known`),
			!x.whole && h('span.warn', `▲ cut off at depth ${depth}`), x.proof && h('span.two', 'proof ', h('span.m', { id: 'proof' }, `${x.proof.slice(0, 8)}…${x.proof.slice(-8)}`))),
		h('div.why', h('div', null,
			section('came', 'Came from', `${many(x.facts.length - 1, 'fact')}${gone.size ? ` and ${count(gone.size)} missing` : ''}`,
				h('ul.tree', this.came(fact, x.links, all, gone))),
			section('led', 'Led to', led.length ? many(led.length, 'fact') + (effects.more ? ' and more' : '') : 'nothing yet',
				led.length > 0 && h('ul.tree', this.led(fact, effects.links, all)))),
		section('graph', 'As a graph', 'causes on the left, effects on the right', this.graph(fact, x, led, effects.links, gone))));
		if (location.hash === '#led') document.getElementById('led').scrollIntoView();
	}

	update(page) { return this.open(page); }

	node(rel, f, what, cls = '') {
		return h('div', { class: `node ${cls}` }, h('span.rel', rel), h('span.what', h('a.m', { href: place(f) }, name(f.store), '/', name(f.key)), ' ', h('span.note', what)),
			h('span.seq.m', count(f.seq)), h('span.by', who(f, '–')));
	}

	about(f, link) {
		const words = link?.rule ? ['rule ', mono(link.rule), link.wrote ? ' wrote ' : ' read '] : [];
		if (!f.value) return words;
		if (f.value.kind === 'null') return [...words, 'deleted'];
		if (f.value.kind !== 'object') return [...words, h('span.m', scalar(f.value, 40))];
		const old = new Map(fields(this.all.find((b) => b.id === f.causation && b.key === f.key))), same = ([k, v]) => old.get(k)?.text === v.text;
		const told = fields(f).sort((a, b) => same(a) - same(b)).slice(0, 2);
		return [...words, told.flatMap(([k, v], i) => [i ? ', ' : '', mono(String(k)), ' ', h('span.m', scalar(v, 30))])];
	}

	tree(f, rel, step, seen, cls) {
		const again = seen.has(f.seq);
		seen.add(f.seq);
		const next = again ? [] : step(f);
		return h('li', this.node(rel.kind, f, again ? 'see above' : this.about(f, rel), cls), next.length > 0 && h('ul', next.map(([l, to]) => (typeof to === 'string' ? this.gone(l, to) : this.tree(to, l, step, seen)))));
	}

	gone(l, missing) {
		return h('li', h('div.node.gone', h('span.rel', l.kind), h('span.what', h('span.m', text(missing)), ' ', h('span.note', 'gone: compacted, or not for this token')), h('span.seq.m', '–'), h('span.by', '–')));
	}

	came(fact, links, all, gone) {
		const step = (f) => links.filter((l) => l.from_seq === f.seq).map((l) => [l, all.get(l.to_seq) ?? (gone.has(l.to) && l.to)]).filter(([, to]) => to);
		return this.tree(fact, { kind: 'this' }, step, new Set(), 'here');
	}

	led(fact, links, all) {
		const seen = new Set([fact.seq]), step = (f) => links.filter((l) => l.to_seq === f.seq).map((l) => [{ ...l, wrote: 1 }, all.get(l.from_seq)]).filter(([, from]) => from);
		return step(fact).map(([l, f]) => this.tree(f, l, step, seen));
	}

	graph(fact, x, led, effects, gone) {
		const left = [...x.facts.slice(0, -1).reverse(), ...[...gone].map((id) => ({ id, gone: true }))].slice(0, DRAWN), right = led.slice(0, DRAWN);
		const height = Math.max(left.length, right.length, 2) * 56 + 24, at = new Map(), H = 40;
		const column = (facts, cx) => facts.forEach((f, i) => at.set(f.seq ?? f.id, { f, x: cx, y: 24 + ((height - 24) / Math.max(1, facts.length)) * (i + 0.5) - H / 2 }));
		column(left, 8);
		column([fact], 206);
		column(right, 404);
		const line = { follows: 'e', source: 'e src', cause: 'e cau' };
		const edge = (l) => {
			const a = at.get(l.to_seq ?? l.to), b = at.get(l.from_seq);
			if (!a || !b) return undefined;
			if (a.x === b.x) {
				const bend = a.x < 206 ? a.x : a.x + 148, out = a.x < 206 ? -7 : 7, ya = a.y + H / 2, yb = b.y + H / 2;
				return g('path', { class: line[l.kind], d: `M${bend} ${ya}C${bend + out} ${ya} ${bend + out} ${yb} ${bend} ${yb}` });
			}
			const x1 = a.x + 148, x2 = b.x, y1 = a.y + H / 2, y2 = b.y + H / 2, mid = (x1 + x2) / 2;
			return g('path', { class: line[l.kind], d: `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}` });
		};
		const box = ({ f, x: bx, y }) => {
			const clip = (s, n) => { const p = [...plain(s)]; return p.length > n ? `${p.slice(0, n - 1).join('')}…` : p.join(''); };
			const inside = [g('rect', { x: bx, y, width: 148, height: H, rx: 5 }), g('text', { x: bx + 10, y: y + 17 }, f.gone ? clip(f.id, 20) : clip(f.store === fact.store ? f.key : label(f), 20)),
				g('text.s', { x: bx + 10, y: y + 31 }, f.gone ? 'gone' : clip(`${count(f.seq)} ${by(f.producer)}`, 26))];
			return f.gone ? g('g.gone', inside) : g('a', { href: place(f), class: f === fact ? 'here' : '' }, inside);
		};
		const links = [...x.links, ...effects];
		const hidden = x.facts.length - 1 + gone.size - left.length + led.length - right.length;
		const key = (cls, what) => h('span', g('svg', { width: 26, height: 8, 'aria-hidden': 'true' }, g('path', { class: cls, d: 'M0 4H26' })), what);
		return h('figure.panel.graph', g('svg', { viewBox: `0 0 560 ${height}`, role: 'group', 'aria-label': `Lineage graph of ${many(left.length + right.length + 1, 'fact')}; the tree beside it says the same` },
			g('text.t', { x: 8, y: 12 }, 'Came from'), g('text.t', { x: 206, y: 12 }, 'This fact'), g('text.t', { x: 404, y: 12 }, 'Led to'), links.map(edge), [...at.values()].map(box)),
		h('figcaption.key', key('e', 'follows'), key('e src', 'source of a rule'), key('e cau', 'cause'), hidden > 0 && h('span', `${count(hidden)} more in the trees`)));
	}
}

