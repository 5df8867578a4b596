// How a store differs between two moments.

import { button, field, form, h, say } from './dom.js';
import { at as pathOf } from './api.js';
import { command, flags } from './command.js';
import { change as changed, changes } from './diff.js';
import { change, go, href, query } from './router.js';
import { count, mono, name, plain, short } from './text.js';
import { table, td, th } from './table.js';
import { exact, parse } from './time.js';

const PAGE = 100;
const SIGNS = { entered: ['plus', '+', 'new'], changed: ['', '→', 'changed'], left: ['minus', '−', 'deleted'] };

const said = (s) => (!s ? 'now' : /^\d+$/.test(s) ? `seq ${count(s)}` : exact(s).replace(':00Z', 'Z'));

export class Difference {
	get title() { return `${plain(this.store)}, difference`; }

	async open(page) {
		this.page = page;
		const q = query();
		this.store = q.get('store');
		this.params = { from: q.get('from'), to: q.get('to'), from_valid: q.get('valid_at'), to_valid: q.get('valid_at'), prefix: q.get('prefix') };
		const { from, to, from_valid: valid, prefix } = this.params;
		page.crumbs([mono(this.store), href({ store: this.store })], ['Difference']);
		command(['diff', this.store, ...(prefix ? [`${prefix}*`] : []), '--from', from ?? '0', ...(to ? ['--to', to] : []), ...flags({ valid_at: valid })], pathOf('v1/diff', this.store), this.params);
		const x = await page.get(pathOf('v1/diff', this.store), { ...this.params, limit: PAGE, load: q.get('load') });
		page.read(x.seq);
		this.all = x.keys;
		this.next = x.next;
		const moment = (label, param, value) => {
			const input = field(label, { value: said(value) }), why = h('span.minus.note', { role: 'alert' });
			return form('form.row', () => {
				try {
					const { time, seq } = parse(input.value);
					go(change({ [param]: time ?? seq }));
				} catch (e) { why.textContent = `✕ ${e.message}`; }
			}, h('label', label, ' ', input), why);
		};
		this.listed = h('div');
		this.more = h('p.more');
		this.list();
		page.show(h('div.head', h('h1', name(this.store), `, ${+from === 0 ? 'from the beginning' : said(from)} to ${said(to)}`),
			h('p.delta', h('b.plus', `+${count(x.entered)}`), ' new, ', h('b', count(x.changed)), ' changed, ', h('b.minus', `−${count(x.left)}`), ' deleted')),
		h('div.tools', moment('From', 'from', from), moment('To', 'to', to)), this.listed, this.more);
	}

	update(page) { return this.open(page); }

	list() {
		const rows = this.all.map((k) => {
			const [cls, sign, word] = SIGNS[k.kind], v = k.to ?? k.from;
			return h('tr', th('', h('a.m', { 'data-open': '', href: href({ store: this.store, key: k.key, v: v?.seq, as_of: undefined, at_seq: undefined }) }, name(k.key))),
				h('td.nb', { 'data-l': '' }, h('span', { class: cls }, sign), ` ${word}`),
				h('td.cut.full.m.j', k.kind === 'changed' ? k.changes ? changes(k.changes, k.more_changes) : changed(k.to) : v?.value ? short(v.value) : ''),
				td('from seq', 'm r', k.from ? count(k.from.seq) : ''), td('to seq', 'm r', k.to ? count(k.to.seq) : ''));
		});
		this.listed.replaceChildren(rows.length ? table('rows', `Keys of ${plain(this.store)} that differ`, [['Key'], ['What'], ['Change'], ['From seq', 'r'], ['To seq', 'r']], rows) : h('p.two.none', 'Nothing differs.'));
		this.more.replaceChildren(h('span', `${count(rows.length)} shown, by key`), ' ', this.next ? button(`Next ${PAGE}`, () => this.further()) : '');
	}

	async further() {
		try {
			const x = await this.page.get(pathOf('v1/diff', this.store), { ...this.params, limit: PAGE, cursor: this.next });
			this.all.push(...x.keys);
			this.next = x.next;
			this.list();
			say(`${this.all.length} shown`);
		} catch (e) { this.page.fail(e); }
	}
}

