// Small charts.

import { g } from './dom.js';

export function bars(cls, counts, label, width = counts.length * 4, height = 20) {
	const most = Math.max(1, ...counts), step = width / Math.max(1, counts.length);
	return g('svg', { class: cls, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', ...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' }) },
		g('path', { d: barPath(counts, step, height, most), 'stroke-width': (step * 0.7).toFixed(2) }));
}

export const barPath = (counts, step, height, most = Math.max(1, ...counts)) => counts.map((n, i) => (n > 0 ? `M${((i + 0.5) * step).toFixed(1)} ${height}v-${Math.max(1, (n / most) * height).toFixed(1)}` : '')).join('');

export function line(values, label, height = 28) {
	const most = Math.max(1e-9, ...values), step = 120 / Math.max(1, values.length - 1);
	const d = values.map((v, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(height - 2 - (v / most) * (height - 5)).toFixed(1)}`).join('');
	return g('svg.spark.line', { viewBox: `0 0 120 ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label }, g('path', { d }));
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n) => String(n).padStart(2, '0');

// marks returns about max round times between two, in milliseconds, as [time, label].
export function marks(from, to, max = 11) {
	const all = [], wide = Math.max(1, to - from);
	if (wide > 75 * 864e5) {
		const a = new Date(from), months = wide / 2629746e3, step = [1, 2, 3, 6, 12, 24, 60, 120, 600, 1200].find((s) => months / s <= max) ?? 6000;
		let month = Math.ceil((a.getUTCFullYear() * 12 + a.getUTCMonth() + (a.getUTCDate() > 1 ? 1 : 0)) / step) * step;
		for (; all.length < 40; month += step) {
			const d = new Date(0);
			d.setUTCFullYear(Math.floor(month / 12), month % 12, 1);
			if (d > to) break;
			all.push([d.getTime(), month % 12 === 0 && (step >= 12 || months > 14) ? String(d.getUTCFullYear()) : MONTHS[month % 12]]);
		}
		return all;
	}
	const steps = [1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];
	const step = steps.find((s) => wide / s <= max) ?? 12096e5;
	for (let t = Math.ceil(from / step) * step; t <= to && all.length < 40; t += step) {
		const d = new Date(t);
		const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${step < 6e4 ? `:${two(d.getUTCSeconds())}` : ''}`;
		all.push([t, step >= 864e5 || time === '00:00' ? `${MONTHS[d.getUTCMonth()]} ${d.getUTCDate()}` : time]);
	}
	return all;
}

export function scale(from, to) {
	return g('svg.scale', { 'aria-hidden': 'true' }, marks(from, to, 9).map(([t, label]) => {
		const x = ((t - from) / Math.max(1, to - from)) * 100;
		return x > 96 ? undefined : g('text', { x: `${x.toFixed(2)}%`, y: 11 }, label);
	}));
}

export function stack(parts) {
	const all = Math.max(1, parts.reduce((a, b) => a + b, 0));
	let x = 0;
	return g('svg.stackbar', { viewBox: '0 0 1000 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, parts.map((n, i) => {
		const width = (n / all) * 1000;
		const r = g('rect', { class: `c${Math.min(4, i + 1)}`, x: x.toFixed(1), width: Math.max(0, width - 3).toFixed(1), height: 10 });
		x += width;
		return r;
	}));
}

