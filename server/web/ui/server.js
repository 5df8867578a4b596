// Screen F: whether the server is well, and what there is to do. For administrators.

import { h, section, terms } from './dom.js';
import { line, stack } from './chart.js';
import { command } from './command.js';
import { bytes, count, many, mono, name, text } from './text.js';
import { table, td, th } from './table.js';
import { ago, at, exact, span } from './time.js';

const EVERY = 5000, KEPT = 120;
const day = 86400;

export class Server {
	static title = 'Server';

	async open(page) {
		this.page = page;
		this.samples = [];
		page.crumbs(['Server']);
		command(['stats', '--json'], 'v1/status');
		await this.look();
		const timer = setInterval(() => { if (!document.hidden) this.look().catch((e) => page.fail(e)); }, EVERY);
		page.signal.addEventListener('abort', () => clearInterval(timer));
	}

	update(page) { return this.open(page); }

	async look() {
		const to = new Date();
		const [s, hour] = await Promise.all([this.page.get('v1/status'), this.hour && to - this.hourAt < 6e4 ? this.hour : this.page.get('v1/histogram', { from: new Date(to - 36e5).toISOString(), to: to.toISOString(), buckets: 60 })]);
		if (this.hour !== hour) [this.hour, this.hourAt] = [hour, to];
		this.samples.push({ at: performance.now(), s });
		if (this.samples.length > KEPT) this.samples.shift();
		this.page.read(s.log.last_seq);
		this.draw(s);
	}

	draw(s) {
		const parts = [h('h1.vh', 'Server'), this.state(s), this.todo(s), this.work(s), h('div.sec.halves', this.disk(s), this.memory(s)), this.subscribers(s), h('div.sec.halves', this.certificate(s), this.refused(s))];
		if (!this.root || !this.root.isConnected) this.page.show(this.root = h('div.contents', parts));
		else this.root.replaceChildren(...parts.filter(Boolean));
	}

	state(s) {
		const item = (what, word, cls, note) => h('div', h('dt', what), h('dd', { class: cls }, word), h('dd.note', note));
		const ready = s.status === 'ready', behind = s.backup ? s.log.last_seq - s.backup.seq : 0;
		return h('dl.panel.state',
			item('State', ready ? '✓ Ready' : `▲ ${s.status}`, ready ? 'plus' : 'warn', [s.started_at ? ['since ', at(s.started_at), ', '] : '', span(s.uptime_ms / 1000)]),
			item('Writes', s.read_only ? 'None: read-only' : s.writable ? '✓ OK' : '✕ Refused', s.read_only ? '' : s.writable ? 'plus' : 'minus', s.failed ? text(s.failed) : `durable through seq ${count(s.log.durable_seq)}`),
			s.backup?.time ? item('Last backup', ago(s.backup.time), '', [`seq ${count(s.backup.seq)}, ${many(behind, 'seq')} behind, `, at(s.backup.time)]) : item('Last backup', 'None', 'warn', 'since the server started'),
			item('Version', [text(s.version ?? '–'), ' ', h('span.m.dim', text((s.revision ?? '').slice(0, 7)))], '', s.log.id ? h('span.m', `log ${s.log.id.slice(0, 8)}`) : ''));
	}

	todo(s) {
		const all = [], warn = (kind, what, to, label, bad) => all.push({ kind, what, to, label, bad });
		if (!s.writable && !s.read_only || s.failed) warn('writes', ['The log takes no more writes', s.failed ? `: ${s.failed}` : '', '. Reads go on; find the cause and start the server again.'], '', '', true);
		for (const w of s.warnings ?? []) warn('warning', text(w));
		for (const x of s.subscribers ?? []) {
			if (!x.lag_since || Date.now() - Date.parse(x.lag_since) < 6e4) continue;
			warn('lag', ['Token ', mono(x.token || '–'), ` at ${x.peer} is ${many(x.lag, 'seq')} behind, and has been for ${span((Date.now() - Date.parse(x.lag_since)) / 1000)}. Nothing is lost; it reads from where it stopped.`], '#subs', 'Subscribers');
		}
		const left = s.certificate?.not_after ? (Date.parse(s.certificate.not_after) - Date.now()) / 1000 : Infinity;
		if (left < 30 * day) warn('expiry', left > 0 ? `The certificate ends on ${s.certificate.not_after.slice(0, 10)}, in ${span(left)}. The server reads the file again without a restart.` : `The certificate ended on ${s.certificate.not_after.slice(0, 10)}.`, '#cert', 'Certificate', left <= 0);
		if (s.reloaded?.ok === false) warn('reload', ['Reading the files again failed: ', text(s.reloaded.error ?? '')], '#cert', 'Tokens', true);
		if (s.log.storage?.quarantine_bytes) warn('damage', `${bytes(s.log.storage.quarantine_bytes)} are in quarantine: recovery cut them off and kept them.`, '#disk', 'Disk', true);
		if (s.log.storage?.damaged) warn('damage', `Damage was found in ${many(s.log.storage.damaged, 'place')}: run igniter verify.`, '#disk', 'Disk', true);
		const bad = all.filter((x) => x.bad).length;
		return section('todo', 'Needs attention', all.length ? `${many(all.length - bad, 'warning')}, ${many(bad, 'error')}` : '✓ nothing',
			all.length > 0 && h('ul.todo', all.map((x) => h('li', h('span', h('span', { class: `tag ${x.bad ? 'no' : 'wa'}` }, `${x.bad ? '✕' : '▲'} ${x.kind}`)), h('span', x.what), x.to ? h('a', { href: x.to }, x.label) : ''))));
	}

	work(s) {
		const rates = (field) => this.samples.slice(1).map((x, i) => Math.max(0, ((x.s[field] ?? 0) - (this.samples[i].s[field] ?? 0)) / ((x.at - this.samples[i].at) / 1000)));
		const inRates = rates('facts_in'), outRates = rates('facts_out'), lags = this.samples.map((x) => x.s.lag ?? 0), conns = this.samples.map((x) => x.s.connections ?? 0);
		const p99 = (op) => this.samples.map((x) => x.s.latency?.[op]?.p99_ms ?? 0);
		const rate = (x) => (x >= 1000 ? `${(x / 1000).toFixed(1)}k` : x.toFixed(x >= 10 || x === 0 ? 0 : 1)), ms = (x) => x?.toFixed(x < 10 ? 1 : 0) ?? '–';
		const cell = (what, big, unit, values, note) => h('section', h('h3', what), h('p.big', big, ' ', h('small', unit)), line(values.length > 1 ? values : [0, 0], `${what} over ${what === 'Facts in' ? 'the last hour' : 'the time that this page is open'}`), h('p.note.dim', note));
		const minutes = this.hour.known?.counts ?? [];
		const done = (name) => s.latency?.[name]?.count ?? 0, op = done('write_batch') > done('write_fact') ? 'write_batch' : 'write_fact', write = s.latency?.[op];
		return section('work', 'At work', 'facts in: the last hour; the rest: since this page was opened',
			h('div.multi', cell('Facts in', rate(inRates.at(-1) ?? 0), 'a second', minutes, `${count(this.hour.known?.facts ?? 0)} in the last hour`), cell('Facts out', rate(outRates.at(-1) ?? 0), 'a second', outRates, `${count(s.facts_out ?? 0)} so far, over TCP`),
				cell('Write, p99', ms(write?.p99_ms), 'ms', p99(op), `p50 ${ms(write?.p50_ms)} ms`), cell('Sync, p99', ms(s.latency?.sync?.p99_ms), 'ms', p99('sync'), `p50 ${ms(s.latency?.sync?.p50_ms)} ms`),
				cell('Greatest lag', count(s.lag ?? 0), 'seqs', lags, many((s.subscribers ?? []).length, 'subscriber')), cell('Connections', count(s.connections ?? 0), '', conns, many(s.streams ?? 0, 'stream') + ' over HTTP')));
	}

	disk(s) {
		const x = s.log.storage, parts = x ? [['Snapshots', x.snapshots, x.snapshot_bytes], ['Indexes', undefined, x.index_bytes], ['Segments', x.segments, x.segment_bytes], ['Reserve and space ahead', undefined, (x.reserve_bytes ?? 0) + (x.ahead_bytes ?? 0)]] : [];
		const rows = parts.map(([what, n, size], i) => h('tr', th('', h('span', { class: `sw c${i + 1}` }), what), td('', 'r', n === undefined ? '' : count(n)), td('', 'r', bytes(size ?? 0))));
		if (x) rows.push(h('tr', th('', h('span.sw'), 'Quarantine'), td('', 'r', ''), td('', 'r', x.quarantine_bytes ? h('span.minus', `✕ ${bytes(x.quarantine_bytes)}`) : h('span.plus', '✓ 0 B'))));
		return section('disk', 'Disk', `${bytes(s.log.bytes)} of log${s.disk_free ? `, ${bytes(s.disk_free)} free` : ''}`,
			x ? [stack(parts.map(([,, n]) => n ?? 0)), table('', 'Disk by kind of file', [['Files'], ['Number', 'r'], ['Size', 'r']], rows)] : h('p.note', 'This log keeps no files of its own.'));
	}

	memory(s) {
		const m = s.memory, stores = [...s.stores].sort((a, b) => b.memory - a.memory), top = stores.slice(0, 6), rest = Math.max(0, (m?.used ?? 0) - top.reduce((n, x) => n + x.memory, 0));
		const rows = [...top.map((x, i) => h('tr', th('', h('span', { class: `sw c${Math.min(4, i + 1)}` }), name(x.store)), td('', 'r', count(x.facts)), td('', 'r', bytes(x.memory)))),
			h('tr', th('', h('span.sw.c4'), 'The rest, and the program'), td('', 'r', ''), td('', 'r', bytes(rest)))];
		return section('mem', 'Memory', m && `${bytes(m.used)}${m.limit ? ` of ${bytes(m.limit)} allowed` : ''}${m.stores_limit ? `, stores up to ${bytes(m.stores_limit)}` : ''}`,
			stack([...top.map((x) => x.memory), ...[0, 0, 0].slice(top.length), rest]), table('', 'Memory by store', [['Store'], ['Facts', 'r'], ['Size', 'r']], rows));
	}

	subscribers(s) {
		const all = s.subscribers ?? [];
		const rows = all.map((x) => h('tr', th('', mono(x.token || '–')), td('from', 'm', text(x.peer)), td('by', '', x.kind), td('stores', '', x.stores ? text(x.stores.join(', ')) : 'all'), td('since', 'nb', at(x.since)),
			td('through', 'm r', count(x.seq)), td('lag', 'm r', count(x.lag)), h('td', { class: x.lag_since ? 'warn' : 'plus' }, x.lag_since ? `▲ behind for ${span((Date.now() - Date.parse(x.lag_since)) / 1000)}` : '✓ up to date')));
		return section('subs', 'Subscribers', count(all.length),
			rows.length > 0 && table('rows', 'Who follows the log', [['Token'], ['From'], ['By'], ['Stores'], ['Since'], ['Read through', 'r'], ['Lag', 'r'], ['State']], rows));
	}

	certificate(s) {
		const c = s.certificate, r = s.reloaded, gone = Object.entries(s.log.horizons ?? {});
		const rows = [['Certificate ends', c?.not_after ? [exact(c.not_after), `, in ${span((Date.parse(c.not_after) - Date.now()) / 1000)}`] : 'no TLS'], ...(c?.client ? [['Client certificates', { none: 'not asked for', wanted: 'wanted, not required', required: 'required' }[c.client]]] : []),
			['Files read', r?.time ? [exact(r.time), r.ok ? '' : `, failed: ${r.error}`, r.tokens ? `, ${many(r.tokens, 'token')}` : ''] : 'at the start'],
			...gone.slice(0, 20).map(([store, x]) => ['Compacted', [name(store), `, before seq ${count(x.seq)}`]])];
		return section('cert', 'Certificate and tokens', '', terms(rows));
	}

	refused(s) {
		const all = (s.refused ?? []).filter((x) => x.count);
		return section('errs', 'Refused since the start', '', all.length ? terms(all.map((x) => [text(x.code), [count(x.count), x.last ? [', last ', at(x.last)] : '', x.peer ? ` from ${x.peer}` : '']])) : h('p.note', '✓ Nothing was refused.'));
	}
}
