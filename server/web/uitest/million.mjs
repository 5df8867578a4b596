// SPDX-License-Identifier: Apache-2.0

// A log of a million facts: each screen is there, and how long it took.
import { ready, run, see, step } from './page.mjs';

const SCREENS = {
  stores: ['', 'The last hour'], records: ['?store=orders', 'Known'], filtered: ['?store=orders&where=state%3Dpaid&where=total%3E9000&order=-value.total', 'match'], past: ['?store=orders&at_seq=400000', 'Since then'],
  difference: ['?view=diff&store=orders&from=900000', 'to now'], history: ['?store=orders&key=order-000139', '107 versions'], live: ['?view=live', 'Facts as they come'], server: ['?view=server', 'Needs attention'],
};

for (const [name, [path, shows]] of Object.entries(SCREENS)) {
  step(name, async (open) => {
    const page = await open({ path });
    await page.waitForFunction((text) => document.querySelector('main').innerText.includes(text) || [...document.querySelectorAll('main button')].some((b) => b.textContent === 'Load orders'), shows);
    const load = page.getByRole('button', { name: 'Load orders', exact: true });
    if (await load.count()) {
      const began = Date.now();
      await load.click();
      await see(page, 'table.rows', 'order-');
      console.log(`      loaded in ${Date.now() - began} ms`);
    }
    await see(page, 'main', shows);
    await ready(page);
    const began = Date.now();
    await page.reload();
    await see(page, 'main', shows);
    await ready(page);
    console.log(`      ${name} again: ${Date.now() - began} ms`);
  });
}

await run(1);
