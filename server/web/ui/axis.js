// An axis of time: how many facts there are, and a slider that steps from one to the next.

import { button, field, form, g, h, id } from './dom.js';
import { barPath, scale } from './chart.js';
import { exact, parse, text } from './time.js';

const WIDTH = 960, HEIGHT = 44, STEPS = 1000;

// An Axis is 'known' or 'true'. on has go(moment), step(-1 or 1) and rest(), which is Now or Off.
export class Axis {
	constructor(kind, on) {
		const known = kind === 'known', title = known ? 'Known' : 'True', clip = id('clip');
		this.on = on;
		this.known = known;
		[this.from, this.to] = [0, 1];
		this.clip = g('rect', { width: WIDTH, height: HEIGHT });
		this.all = g('path');
		this.filled = g('path');
		this.range = h('input', { type: 'range', min: 0, max: STEPS, value: STEPS, step: 1, 'aria-label': `${title}: ${known ? 'what the log held' : 'what was valid'}. One step is one change.` });
		this.field = field(`${title}, as a time`);
		this.out = h('output', { class: known ? 'm' : 'note' });
		this.why = h('p.minus.note', { role: 'alert', hidden: true });
		this.scale = h('div');
		this.rest = button(known ? 'Now' : 'Off', () => on.rest(), 'b q');
		if (!known) this.rest.setAttribute('aria-label', 'Off: show what the log held last, whenever it was true');
		else this.rest.dataset.step = 'now';
		const step = (n, sign, word) => { const b = button(sign, () => on.step(n), 'b ic'); b.setAttribute('aria-label', `${title}: one change ${word}`); return b; };
		const pick = form('form.at', () => this.pick(), this.field, step(-1, '‹', 'earlier'), step(1, '›', 'later'), this.out, this.rest);
		this.el = h('div', { class: `axis ${known ? 'k' : 'v'}` },
			h('div.name', h('b', title), h('span', known ? 'what the log held' : 'what was valid')),
			h('div.track', g('svg.hist', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
				g('clipPath', { id: clip }, this.clip), this.all, g('g.on', { 'clip-path': `url(#${clip})` }, this.filled)), this.range, this.scale), pick, this.why);
		this.range.addEventListener('keydown', (e) => {
			const n = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key];
			if (n) { e.preventDefault(); on.step(n); }
			if (e.key === 'End') { e.preventDefault(); on.rest(); }
		});
		this.range.addEventListener('input', () => this.drag());
		this.range.addEventListener('change', () => this.drop());
	}

	pick() {
		try {
			this.on.go(parse(this.field.value));
		} catch (e) {
			this.why.textContent = `✕ ${e.message}`;
			this.why.hidden = false;
		}
	}

	counts(axis) {
		this.from = axis ? Date.parse(axis.from) : Date.now() - 864e5;
		this.to = Math.max(this.from + 1, axis ? Date.parse(axis.to) : Date.now());
		const counts = axis?.counts ?? [], d = barPath(counts, WIDTH / Math.max(1, counts.length), HEIGHT);
		for (const p of [this.all, this.filled]) {
			p.setAttribute('d', d);
			p.setAttribute('stroke-width', ((WIDTH / Math.max(1, counts.length)) * 0.7).toFixed(2));
		}
		this.scale.replaceChildren(scale(this.from, this.to));
	}

	timeAt(value) { return text(new Date(Math.round(this.from + ((this.to - this.from) * value) / STEPS))); }

	drag() {
		const t = this.timeAt(this.range.value);
		this.fill(this.range.value);
		this.field.value = exact(t);
		this.out.textContent = '';
		this.range.setAttribute('aria-valuetext', exact(t));
	}

	drop() {
		if (Number(this.range.value) === STEPS) this.on.rest();
		else this.on.go({ time: this.timeAt(this.range.value) });
	}

	fill(value) { this.clip.setAttribute('width', ((value / STEPS) * WIDTH).toFixed(1)); }

	// show shows a moment: its time, '' for now or off, and a word beside it.
	show(time, word) {
		const value = time ? Math.min(STEPS, Math.max(0, ((Date.parse(time) - this.from) / (this.to - this.from)) * STEPS)) : STEPS;
		const off = !time && !this.known, said = time ? exact(time) : this.known ? 'now' : 'off';
		this.range.value = value;
		this.fill(off ? 0 : value);
		this.el.classList.toggle('off', off);
		if (document.activeElement !== this.field) this.field.value = said;
		this.out.textContent = word ?? '';
		this.range.setAttribute('aria-valuetext', [said, word].filter(Boolean).join(', '));
		this.why.hidden = true;
	}
}

