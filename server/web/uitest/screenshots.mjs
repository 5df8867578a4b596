// SPDX-License-Identifier: Apache-2.0

// Takes the screenshots of docs/img: each screen, light and dark.
import { browser, open, ready, see } from './page.mjs';

const SHOTS = {
  stores: '', records: '?store=orders&where=state%3Dpaid&where=total%3E900&as_of=DAYS200&valid_at=DAYS215', history: '?store=orders&key=order-000139', why: '?store=orders&key=order-000240',
  live: '?view=live&store=orders', server: '?view=server',
};

for (const dark of [false, true]) {
  const page = await open({ dark });
  for (const [name, path] of Object.entries(SHOTS)) {
    await page.goto(`${page.url().split('?')[0]}${path.replace(/DAYS(\d+)/g, (_, d) => encodeURIComponent(`${new Date(Date.now() - d * 864e5).toISOString().slice(0, 10)}T00:00:00Z`))}`);
    await ready(page);
    if (name === 'why') {
      await page.locator('td a', { hasText: 'rule order-total' }).last().click();
      await see(page, 'h1', 'Why');
      await ready(page);
    }
    if (name === 'server' || name === 'live') await page.waitForTimeout(6000);
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${dark ? 'dark' : 'light'}.png` });
    console.log(name, dark ? 'dark' : 'light', page.faults.join('\n'));
  }
  await page.context().close();
}
await browser.close();
