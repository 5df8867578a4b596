// What a view shows when it has no table.

import { button, copy, form, g, h, id, terms } from './dom.js';
import { Failure, setToken } from './api.js';
import { quote } from './command.js';
import { change, go, link, query } from './router.js';
import { count, many, mono, name, text } from './text.js';
import { exact } from './time.js';

export function panel(title, tag, ...body) {
	const at = id('state');
	return h('section.panel', { 'aria-labelledby': at },
		h('div.head', h('h1', { id: at }, title), tag && h('span.tag', tag)), h('div.body', body));
}

export const states = (...panels) => h('div.states', panels);
export const lead = (...what) => h('p.lead', what);
export const two = (...what) => h('p.two', what);
export const row = (...what) => h('p.row', what);

// ask asks for a token. failure is why the last one did not do.
export function askToken(failure, had) {
	const input = h('input.m', { type: 'password', id: 'token', autocomplete: 'off', size: 28, 'aria-describedby': 'token-why' });
	const open = form('form.row', () => { setToken(input.value.trim()); go(location.search || '?', true); }, h('label', { for: 'token' }, 'Token'), input, h('button.b.go', 'Open'));
	return states(panel('Unauthorised', '401', lead('Enter a token to open this log'), open,
		h('p.minus.note', { id: 'token-why', role: 'alert' }, had ? ['✕ ', text(failure.message)] : ''),
		h('p.two.note', 'The token stays in this tab and is sent in a header, never in a link. Create one with ', h('code', 'igniter token'), '.')));
}

export function loading(what) {
	const bones = ['92M120 5h40M200 5h130', '84M120 5h52M200 5h96', '98M120 5h34M200 5h144'].map((d) => g('svg', { viewBox: '0 0 400 10', preserveAspectRatio: 'none' }, g('path', { stroke: 'currentColor', 'stroke-width': 10, d: `M0 5h${d}M360 5h40` })));
	return h('div.loading', { 'aria-busy': 'true' }, h('h1.lead', `Reading ${what}`), h('div.bone', { 'aria-hidden': 'true' }, bones));
}

function horizon(asked, edge) {
	const x = (seq) => `${((seq / edge) * 60).toFixed(2)}%`;
	return h('figure', g('svg.hz', { role: 'img', 'aria-label': `Seq 1 to ${count(edge)} thinned, from there on kept${asked ? `; asked for was ${count(asked)}` : ''}` },
		g('defs', g('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, g('path.hatch', { d: 'M0 0V6' }))),
		g('rect', { y: 20, width: x(edge), height: 18, fill: 'url(#hatch)' }), g('rect.kept', { x: x(edge), y: 20, width: '40%', height: 18 }),
		g('line', { x1: x(edge), x2: x(edge), y1: 14, y2: 44 }), asked && g('line.ask', { x1: x(asked), x2: x(asked), y1: 14, y2: 44 }),
		asked && g('text', { x: x(asked), y: 10, 'text-anchor': 'end' }, `asked for ${count(asked)}`), g('text', { x: '61%', y: 10 }, `horizon ${count(edge)}`),
		g('text', { x: 0, y: 56 }, 'seq 1'), g('text', { x: '100%', y: 56, 'text-anchor': 'end' }, 'now')));
}

// failed returns what a view shows instead of itself. tries is { count, since, next } of a view that is tried again.
export function failed(e, tries, retry, who) {
	if (!(e instanceof Failure)) throw e;
	const q = query(), store = q.get('store') ?? e.body.store ?? '', key = q.get('key');
	const asked = terms([['Asked', h('span.m', 'GET /', text(e.asked))], ['Answer', h('span.m', e.status ? `${e.status} ${e.code}: ` : '', text(e.message))]]);
	const details = button('Copy details', () => copy(`GET /${e.asked}\n${e.status} ${e.code}: ${e.message}`, 'Details'), 'b q');
	if (e.status === 403) {
		return states(panel('Permission denied', '403', lead(mono(who?.name || 'This token'), ' may not read ', store ? mono(store) : 'this'), two(text(e.message)),
			two(who?.reads ? `It may read ${who.reads}. ` : '', 'To change that, edit the tokens file; the server reads it again without a restart.'),
			row(h('a.b', { href: '?' }, 'Stores you may read'), details)));
	}
	if (e.status === 410) {
		const { seq: edge = 0, time: when } = e.body.horizon ?? {}, at = Number(q.get('at_seq'));
		return states(panel('Compacted history', '410 gone', lead(store ? mono(store) : 'The log', at ? ` at seq ${count(at)}` : ' at that moment', ' was compacted'),
			two(`Facts before ${edge ? `seq ${count(edge)}` : 'the horizon'}${when ? ` (${exact(when)})` : ''} that later facts had replaced were removed. The values there, and everything since, are available.`),
			edge > 0 && horizon(at, edge),
			row(edge > 0 && h('a.b.go', { href: change({ at_seq: edge, as_of: undefined }) }, `Open at seq ${count(edge)}`),
				h('a.b', { href: change({ at_seq: undefined, as_of: undefined }) }, 'Open at now'), details), asked));
	}
	if (e.status === 404) return states(panel('Nothing here', '404', lead(key !== null && store ? [mono(key), ' has no value'] : 'There is nothing with this name'), two(text(e.message)),
		row(store && link({ store }, 'b', 'Keys of ', mono(store)), h('a.b', { href: '?' }, 'Stores'), details), asked));
	const title = { 0: 'The server does not answer', 503: 'The server is not ready', 501: 'This log cannot tell', 400: 'The link asks for what cannot be', 409: 'This log has not got there' }[e.status] ?? 'The server failed';
	return states(panel('Error', e.status ? String(e.status) : '', h('div', { role: 'alert' }, lead(h('span.minus', '✕ '), title)),
		tries ? two(`Tried ${many(tries.count, 'time')} since ${tries.since}; the next try is `, h('span', { 'data-left': '' }), '.') : two(text(e.message)), asked,
		row((!e.status || e.status >= 500) && button('Try now', retry), e.status < 500 && e.status > 0 && h('a.b', { href: change({ as_of: undefined, at_seq: undefined, valid_at: undefined, where: undefined }) }, 'Without times and filters'), details)));
}

export function nothing(store, seq) {
	if (!store) return panel('No stores', '', lead('No store that may be read has facts'));
	const put = `igniter put ${quote(store)} milk '{"title":"Buy milk"}'`;
	return panel('Empty store', '', lead('Nothing has been written to ', mono(store)), two('A store begins with its first fact. Write one, and it appears here at once.'),
		h('pre.box', { role: 'group', tabindex: 0, 'aria-label': 'Command' }, h('code', text(put))), row(button('Copy', () => copy(put, 'Command')), h('span.dim', `Waiting after seq ${count(seq)}`)));
}
