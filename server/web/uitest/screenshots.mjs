// SPDX-License-Identifier: Apache-2.0

// Takes the screenshots of docs/img: each screen, light and dark, while facts come.
import { CONTROL, SITE, TOKENS, browser, open, ready, see } from './page.mjs';

const day = (n) => encodeURIComponent(`${new Date(Date.now() - n * 864e5).toISOString().slice(0, 10)}T00:00:00Z`);
const SHOTS = {
  stores: '', records: `?store=orders&where=state%3Dpaid&where=total%3E900&as_of=${day(200)}&valid_at=${day(215)}`, history: '?store=orders&key=order-000139', why: '?store=orders&key=order-000240',
  difference: `?view=diff&store=orders&from=${day(30)}`,
};

const control = (what, params) => fetch(`${CONTROL}/${what}?${new URLSearchParams(params)}`);
const pick = (...of) => of[Math.floor(Math.random() * of.length)];

// shop writes orders until it is stopped: new ones, changes, and a deletion now and then.
function shop() {
  let stopped = false, created = 400;
  const done = (async () => {
    for (let i = 0; !stopped; i++) {
      const fresh = i % 7 === 3, key = `order-${String(fresh ? ++created : 300 + Math.floor(Math.random() * 100)).padStart(6, '0')}`;
      const found = await fetch(`${SITE}/v1/stores/orders/${key}`, { headers: { authorization: `Bearer ${TOKENS.ops}` } });
      const was = found.ok ? (await found.json()).value : undefined, total = 300 + Math.floor(Math.random() * 12000);
      const value = !was ? { state: 'new', total, items: 1 + i % 6 } : i % 19 === 11 ? null : i % 3 ? { ...was, state: { new: 'paid', paid: 'sent', sent: 'back' }[was.state] ?? 'new' } : { ...was, total };
      await control('write', { store: 'orders', key, value: JSON.stringify(value), by: pick('ana', 'bo', 'cy', 'web', 'web', 'billing') });
      await new Promise((r) => setTimeout(r, 60 + Math.random() * 200));
    }
  })();
  return () => { stopped = true; return done; };
}

async function shoot(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${colorScheme}.png` });
  }
  console.log(name, page.faults.join('\n'));
}

const page = await open();
for (const [name, path] of Object.entries(SHOTS)) {
  await page.goto(`${SITE}/ui/${path}`);
  await ready(page);
  if (name === 'why') {
    await page.locator('td a', { hasText: 'rule order-total' }).last().click();
    await see(page, 'h1', 'Why');
    await ready(page);
  }
  await shoot(page, name);
}

const site = await (await control('gate')).text(), live = await open({ site, path: '?view=live&store=orders' });
await see(live, '#log');
await page.goto(`${SITE}/ui/?view=server`);
const stop = shop();
await live.waitForTimeout(14000);
await control('cut', { site });
await live.waitForTimeout(500);
await control('mend', { site });
await see(live, 'tr', 'Connection lost');
await live.waitForTimeout(500);
await stop(); // both pictures show the same facts
await shoot(live, 'live');
await shoot(page, 'server');
await browser.close();
