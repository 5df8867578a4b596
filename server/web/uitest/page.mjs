// SPDX-License-Identifier: Apache-2.0

// What the scripts share: a browser, pages with a token, and checks.
import { chromium } from 'playwright-core';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

export const { SITE, CONTROL } = process.env;
export const TOKENS = JSON.parse(process.env.TOKENS);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--disable-gpu', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])] });

export function check(ok, ...what) {
  if (!ok) throw new Error(what.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' '));
}

// open returns a page of the inspector. Whatever goes wrong in it ends up in page.faults.
export async function open({ token = 'ops', width = 1280, height = 800, dark = false, path = '', site = SITE, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.WAIT ?? 120) * 1000);
  page.faults = [];
  page.allowed = /Failed to load resource/;
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !page.allowed.test(m.text())) page.faults.push(`${m.text()} at ${m.location().url}`); });
  page.on('pageerror', (e) => page.faults.push(String(e.stack ?? e)));
  page.on('dialog', (d) => { page.faults.push(`dialog ${d.message()}`); d.dismiss(); });
  page.on('request', (r) => { if (!r.url().startsWith(site) && !r.url().startsWith('blob:')) page.faults.push(`asked for ${r.url()}`); });
  if (process.env.UI) { // files that are being worked on, in place of those in the program
    await page.route(`${site}/ui/*`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(4) || 'index.html', answer = await route.fetch({ url: `${site}/ui/` });
      const type = { js: 'text/javascript', css: 'text/css', html: 'text/html', svg: 'image/svg+xml' }[name.split('.').pop()];
      await route.fulfill({ status: 200, headers: { ...answer.headers(), 'content-type': type }, body: readFileSync(`${process.env.UI}/${name}`) });
    });
  }
  const t = TOKENS[token];
  if (t) await context.addInitScript((t) => { if (!sessionStorage.getItem('igniter-tested')) { sessionStorage.setItem('igniter-token', t); sessionStorage.setItem('igniter-tested', '1'); } }, t);
  await context.addInitScript(() => { // all pages share the clipboard
    const write = navigator.clipboard?.writeText.bind(navigator.clipboard);
    if (write) navigator.clipboard.writeText = (text) => { window.copied = text; return write(text); };
  });
  await page.goto(`${site}/ui/${path}`);
  return page;
}

export const ready = (page) => page.waitForFunction(() => { const m = document.querySelector('main'); return m.childElementCount > 0 && !m.hasAttribute('aria-busy') && !m.querySelector('[aria-busy]'); });

export async function see(page, selector, text) {
  const found = page.locator(selector).filter(text === undefined ? {} : { hasText: text }).first();
  try {
    await found.waitFor();
  } catch {
    throw new Error(`no ${selector} with ${text}: ${(await page.locator('main').innerText()).slice(0, 600)}\n${page.faults.join('\n')}`);
  }
  return found;
}

// accessible runs axe-core in an isolated world, which the page's policy does not bind.
export async function accessible(page, where) {
  const client = await page.context().newCDPSession(page);
  const { frameTree } = await client.send('Page.getFrameTree');
  const { executionContextId } = await client.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const run = (expression) => client.send('Runtime.evaluate', { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
  await run(axe);
  const { result, exceptionDetails } = await run('axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.any.concat(n.all, n.none).map((x) => x.message).join("; ")).join(" | ")}`))');
  await client.detach();
  check(!exceptionDetails, where, exceptionDetails);
  check(result.value.length === 0, where, ...result.value);
}

// Steps are run several at a time, in pages of their own, those that take the longest first; each is told.
const all = [];
export const step = (name, f) => all.push([name, f]);
export async function run(atOnce = 4) {
  const only = process.env.ONLY && new RegExp(process.env.ONLY), steps = all.filter(([name]) => !only || only.test(name));
  let failed = 0;
  const one = async ([name, f]) => {
    const began = Date.now(), pages = [];
    try {
      await f(async (o) => { const p = await open(o); pages.push(p); return p; });
      const faults = pages.flatMap((p) => p.faults);
      check(faults.length === 0, ...faults);
      console.log(`ok    ${name} (${Date.now() - began} ms)`);
    } catch (e) {
      failed++;
      console.log(`FAIL  ${name}: ${e.stack ?? e}\n${pages.flatMap((p) => p.faults).join('\n')}`);
      if (process.env.SHOW) await pages.at(-1)?.screenshot({ path: `${process.env.SHOW}/${name.replace(/\W+/g, '-').slice(0, 40)}.png` }).catch(() => {});
    } finally {
      for (const p of pages) await p.context().close().catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: atOnce }, async () => { while (steps.length) await one(steps.shift()); }));
  await browser.close();
  process.exit(failed ? 1 : 0);
}
