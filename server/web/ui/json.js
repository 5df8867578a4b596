// JSON as it was written: numbers are not rounded, keys keep their order.

// A Raw is a JSON value as text.
class Raw {
	constructor(text) { this.text = text; }
	get kind() {
		const c = this.text[0];
		return { '{': 'object', '[': 'array', '"': 'string', t: 'boolean', f: 'boolean', n: 'null' }[c] ?? 'number';
	}
	toString() { return this.text; }
}

// The members of answers that hold a value of the log's users.
const KEPT = new Set(['value', 'producer', 'derivation', 'old', 'new']);

const isSpace = (c) => c === 32 || c === 10 || c === 13 || c === 9;
const broken = (i) => { throw new SyntaxError(`no JSON at ${i}`); };

function space(s, i) {
	while (isSpace(s.charCodeAt(i))) i++;
	return i;
}

function stringEnd(s, i) {
	for (let at = i + 1; ; at++) {
		at = s.indexOf('"', at);
		if (at < 0) broken(i);
		let slash = at;
		while (s[slash - 1] === '\\') slash--;
		if ((at - slash) % 2 === 0) return at + 1;
	}
}

export function end(s, i) {
	let depth = 0;
	do {
		const c = s[i];
		if (c === '"') i = stringEnd(s, i);
		else if (c === '{' || c === '[') { depth++; i++; } else if (c === '}' || c === ']') { depth--; i++; } else if (c === undefined) broken(i);
		else if (depth && (c === ',' || c === ':' || isSpace(c.charCodeAt(0)))) i++;
		else { const from = i; while (i < s.length && !',]}: \n\r\t'.includes(s[i])) i++; if (i === from) broken(i); }
	} while (depth > 0);
	return i;
}

// parse parses an answer. Members that hold values are Raw.
export function parse(text) {
	let i = 0;
	const value = () => {
		i = space(text, i);
		const from = i;
		switch (text[i]) {
			case '{': {
				const o = {};
				i = space(text, i + 1);
				while (text[i] !== '}') {
					if (text[i] !== '"') broken(i);
					const begin = i;
					i = stringEnd(text, i);
					const name = JSON.parse(text.slice(begin, i));
					i = space(text, i);
					if (text[i++] !== ':') broken(i);
					i = space(text, i);
					if (KEPT.has(name)) {
						const at = i;
						i = end(text, i);
						o[name] = new Raw(text.slice(at, i));
					} else if (name !== '__proto__') o[name] = value();
					else value();
					i = space(text, i);
					if (text[i] === ',') i = space(text, i + 1);
				}
				i++;
				if (o.value_bytes) delete o.value; // it was left out
				return o;
			}
			case '[': {
				const a = [];
				i = space(text, i + 1);
				while (text[i] !== ']') {
					a.push(value());
					i = space(text, i);
					if (text[i] === ',') i++;
					i = space(text, i);
				}
				i++;
				return a;
			}
			default:
				i = end(text, i);
				return JSON.parse(text.slice(from, i));
		}
	};
	return value();
}

export const string = (raw) => JSON.parse(raw.text);

// entries returns the members of an object, or the items of an array, as [name, Raw]: at most max of them.
export function entries(raw, max = Infinity) {
	const s = raw.text, all = [];
	const object = raw.kind === 'object';
	if (!object && raw.kind !== 'array') return all;
	let i = space(s, 1);
	while (s[i] !== '}' && s[i] !== ']' && all.length < max) {
		let name = all.length;
		if (object) {
			const from = i;
			i = stringEnd(s, i);
			name = JSON.parse(s.slice(from, i));
			i = space(s, space(s, i) + 1);
		}
		const from = i;
		i = end(s, i);
		all.push([name, new Raw(s.slice(from, i))]);
		i = space(s, i);
		if (s[i] === ',') i = space(s, i + 1);
	}
	return all;
}

export function* tokens(s) {
	const open = [];
	let key = false;
	for (let i = space(s, 0); i < s.length; i = space(s, i)) {
		const c = s[i];
		if ('{}[],:'.includes(c)) {
			if (c === '{' || c === '[') open.push(c);
			if (c === '}' || c === ']') open.pop();
			key = c === '{' || c === ',' && open.at(-1) === '{';
			yield ['mark', c, open.length];
			i++;
			continue;
		}
		const from = i;
		i = c === '"' ? stringEnd(s, i) : end(s, i);
		const kind = c === '"' ? (key ? 'key' : 'string') : (c === 't' || c === 'f' || c === 'n' ? 'word' : 'number');
		key = false;
		yield [kind, s.slice(from, i), open.length];
	}
}

// same reports whether two values are written alike, but for white space and escapes.
export function same(a, b) {
	if (!a || !b) return !a && !b;
	if (a.text === b.text) return true;
	if (Math.max(a.text.length, b.text.length) > 1 << 20) return false;
	const plain = (raw) => [...tokens(raw.text)].map(([kind, t]) => (kind === 'key' || kind === 'string' ? JSON.stringify(JSON.parse(t)) : t)).join('');
	return plain(a) === plain(b);
}
