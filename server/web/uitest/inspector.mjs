// SPDX-License-Identifier: Apache-2.0

// Every screen, every key, every link again, narrow tokens, a lost connection, hostile facts, and axe-core.
import { CONTROL, SITE, TOKENS, accessible, check, ready, run, see, step } from './page.mjs';

const write = (store, key, value, by = 'tester') => fetch(`${CONTROL}/write?${new URLSearchParams({ store, key, value: JSON.stringify(value), by })}`);
const main = (page) => page.locator('main').innerText();
const rows = (page) => page.locator('main table.rows tbody tr:visible').count();

// copied waits until the page has copied what it should.
async function copied(page, is) {
  const text = await (await page.waitForFunction(() => window.copied)).jsonValue();
  await page.evaluate(() => { window.copied = ''; });
  check(is(text), 'was copied', text);
}

// gated opens a page at an address whose connections can be cut and mended.
async function gated(open, options) {
  const site = await (await fetch(`${CONTROL}/gate`)).text(), to = (what) => () => fetch(`${CONTROL}/${what}?${new URLSearchParams({ site })}`);
  return [await open({ ...options, site }), to('cut'), to('mend')];
}

// again loads the link of a page anew: it must show the same.
async function again(page, ...same) {
  const before = await main(page), link = page.url();
  await page.reload();
  await ready(page);
  for (const part of same) check((await main(page)).includes(part), `after a reload of ${link} there is no`, part);
  check(page.url() === link, 'the link changed', link, page.url());
  check((await main(page)).slice(0, 40) === before.slice(0, 40), 'a reload shows something else', link);
}

// SCREENS are links with what they show.
const SCREENS = {
  stores: ['', 'The last hour'],
  records: ['?store=orders&prefix=order-00001', 'Known'],
  'records of the past': ['?store=orders&where=state%3Dpaid&at_seq=300', 'Since then'],
  'records before the first fact': ['?store=orders&as_of=2020-01-01T00%3A00%3A00Z', 'Since then'],
  'records true then': ['?store=prices&valid_at=2026-08-01T00%3A00%3A00Z', 'p-01'],
  history: ['?store=orders&key=order-000002', 'versions'],
  'a deletion': ['?store=orders&key=order-000058', 'deleted'],
  live: ['?view=live&store=prices&after=1', 'Facts as they come'],
  server: ['?view=server', 'Needs attention'],
  difference: ['?view=diff&store=orders&from=1200&prefix=order-00001', 'to now'],
  'the difference from the beginning': ['?view=diff&store=orders&from=0&prefix=order-00001', 'from the beginning to now'],
  'the difference of what was true': ['?view=diff&store=prices&from=2026-01-01&valid_at=2026-08-01T00%3A00%3A00Z', 'to now'],
  'never written': ['?store=orders&key=order-00139', 'never written'],
};

step('text is text: hostile keys and values', async (open) => {
  const page = await open({ path: '?store=hostile' });
  await see(page, 'main', 'hostile is not in memory');
  await accessible(page, 'asked before a costly read');
  await page.getByRole('button', { name: 'Load hostile' }).click();
  await see(page, 'table.rows', '<script>window.pwned=1</script>');
  await see(page, '.cp', 'U+202E');
  await accessible(page, 'hostile');
  const keys = await page.evaluate(() => [...document.querySelectorAll('main a[data-open]')].map((a) => a.getAttribute('href')));
  check(keys.length === 13, 'keys', keys.length);
  for (const link of keys) {
    await page.goto(`${SITE}/ui/${link}&show=value`);
    await see(page, '.pair', 'Known');
    await ready(page);
    check(!(await page.evaluate(() => window.pwned)), 'a value has run', link);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `${link} is ${wide} too wide`);
    const raw = await page.evaluate(() => /[\u202a-\u202e\u2066-\u2069\u200b\u001b\u009b\u0007]/.test(document.body.textContent));
    check(!raw, 'a character that is not seen is in the page', link);
  }
  const at = (key) => page.goto(`${SITE}/ui/?${new URLSearchParams({ store: 'hostile', key, show: 'value' })}`);
  await at('invoice\u202efdp.exe');
  await see(page, '.warn', 'right-to-left override');
  await see(page, '.cp', 'U+0430');
  check(!(await page.locator('#as-igniter-p code').textContent()).includes('\u202e'), 'the command has a raw override');
  await at(' spaces ');
  await see(page, '#raw-p', '12345678901234567890.10');
  await at('__proto__');
  await see(page, '#raw-p', '"constructor"');
  await at('deep');
  await see(page, '#raw-p', 'the bottom');
  await at('big');
  await page.getByRole('button', { name: /^Read 16/ }).click();
  await see(page, '#raw-p', 'more characters');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Save as a file').click()]);
  check((await (await import('node:fs/promises')).stat(await download.path())).size > 16e6, 'the file is not whole');
  await at('many');
  await page.getByRole('button', { name: /^Read/ }).click();
  await page.getByText('Show the next 64 KiB').click();
  await at('..');
  await see(page, 'main', '1 version');
  await page.goto(`${SITE}/ui/?${new URLSearchParams({ store: '<b>store</b>', key: 'k' })}`);
  await see(page, '.crumbs', '<b>store</b>');
  await page.goto(`${SITE}/ui/?${new URLSearchParams({ fact: 'hostile/../<i>' })}`);
  await see(page, 'h1', 'Why k');
  await page.goto(`${SITE}/ui/?${new URLSearchParams({ store: '<script>', key: '"><img src=x onerror=alert(1)>', as_of: '<i>', where: '<b>' })}`);
  await ready(page);
  check(!(await page.evaluate(() => window.pwned)), 'a link has run');
});

step('a token is asked for, and a wrong one refused', async (open) => {
  const page = await open({ token: '' });
  await see(page, 'main', 'Enter a token to open this log');
  await accessible(page, 'token');
  await page.fill('#token', 'igt_wrong');
  await page.keyboard.press('Enter');
  await see(page, '#token-why', '✕');
  await page.fill('#token', TOKENS.ops);
  await page.keyboard.press('Enter');
  await see(page, 'h1', 'Stores');
  check(!page.url().includes(TOKENS.ops), 'the token is in the link');
  await page.locator('.who summary').first().click();
  await page.getByText('Forget token').click();
  await see(page, 'main', 'Enter a token to open this log');
});

for (const [name, [path, shows]] of Object.entries(SCREENS)) {
  step(`${name}: light, dark, narrow, again`, async (open) => {
    const page = await open({ path });
    await see(page, 'main', shows);
    await ready(page);
    await accessible(page, name);
    console.log(`command ${await page.locator('#as-igniter-p code').textContent()}`);
    check(/^curl .*Bearer \$IGNITER_TOKEN/.test(await page.locator('#as-curl-p code').textContent()), 'there is no curl');
    const json = await page.locator('#as-JSON-p code').textContent();
    if (!/events/.test(json)) {
      const answer = await fetch(SITE + json.slice(4), { headers: { Authorization: `Bearer ${TOKENS.ops}` } });
      check(answer.ok || name === 'never written', `${json} answers ${answer.status}`);
    }
    await page.setViewportSize({ width: 320, height: 700 });
    await page.emulateMedia({ colorScheme: 'dark' });
    if (name !== 'live') await again(page, shows);
    await accessible(page, `${name}, dark and narrow`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `the page is ${wide} pixels too wide at 320`);
  });
}

step('stores: filter, go to, load, the last hour', async (open) => {
  const page = await open();
  await see(page, '#stores, table', 'orders');
  await page.keyboard.press('/');
  await page.keyboard.type('pric');
  check(await rows(page) === 1, 'the filter shows', await rows(page));
  await page.fill('[placeholder="Go to store/key or fact ID"]', 'orders/order-000001');
  await page.keyboard.press('Enter');
  await see(page, 'h1', 'order-000001');
  await page.goBack();
  await see(page, 'h1', 'Stores');
  await page.fill('[placeholder="Go to store/key or fact ID"]', 'no-such-fact');
  await page.keyboard.press('Enter');
  await see(page, 'main', 'There is no such store');
  await page.getByText('Open as a tail').click();
  await see(page, 'h1', 'Facts as they come');
  check(await rows(page) > 50, 'the hour has', await rows(page));
});

step('records: filters, facets, columns, order, further pages', async (open) => {
  const page = await open({ path: '?store=orders' });
  await see(page, 'table.rows', 'order-');
  await page.locator('.facet', { hasText: 'state' }).locator('a', { hasText: 'paid' }).click();
  await see(page, '.chip', 'state = paid');
  await see(page, '.tools .end', ' match');
  await again(page, 'state = paid');
  check(await page.locator('.facet', { hasText: 'state' }).locator('a').count() > 1, 'no other state can be picked');
  await page.locator('summary', { hasText: '+ Filter' }).click();
  await page.getByLabel('Field', { exact: true }).fill('total');
  await page.getByLabel('Condition').selectOption('>');
  await page.getByLabel('Value, as JSON or text').fill('5000');
  await page.keyboard.press('Enter');
  await see(page, '.chip', 'total > 5000');
  await page.waitForFunction(() => [...document.querySelectorAll('td[data-l=total]')].every((td) => Number(td.textContent) > 5000));
  check(await rows(page) > 0, 'nothing matches');
  await page.getByLabel('Remove filter total > 5000').click();
  await page.getByLabel('Remove filter state = paid').click();
  await page.waitForFunction(() => !document.querySelector('.chip'));
  await page.getByRole('button', { name: 'Key', exact: true }).click();
  await see(page, 'th[aria-sort=ascending]', 'Key');
  await page.locator('th[aria-sort=ascending] button').click();
  await see(page, 'th[aria-sort=descending]', 'Key');
  check(await rows(page) === 100, 'a page has', await rows(page));
  await page.getByText('Next 100').click();
  await page.waitForFunction(() => document.querySelectorAll('main table.rows tbody tr').length > 100);
  await page.locator('summary', { hasText: 'Columns' }).click();
  await page.getByLabel('total', { exact: true }).uncheck();
  await page.waitForFunction(() => !document.querySelector('td[data-l=total]'));
  check(page.url().includes('col='), 'the columns are not in the link');
  await page.keyboard.press('Escape');
  await page.fill('[placeholder="Key begins with"]', 'order-0001');
  await page.waitForFunction(() => document.querySelectorAll('main table.rows tbody tr').length < 100);
  await see(page, '.tools .end', ' match');
});

step('both times: sliders step from fact to fact, and the past is loud', async (open) => {
  const page = await open({ path: '?store=orders' });
  await see(page, '.axis.k', 'Known');
  await page.getByLabel('Known: what the log held. One step is one change.').focus();
  await page.keyboard.press('ArrowLeft');
  await see(page, '.moment.past', 'Past, as of');
  const seq = () => Number(new URL(page.url()).searchParams.get('at_seq'));
  const first = seq();
  await page.getByLabel('Known: what the log held. One step is one change.').press('ArrowLeft');
  await page.waitForFunction((s) => Number(new URL(location.href).searchParams.get('at_seq')) < s, first);
  await page.getByLabel('Known: one change later').click();
  await page.waitForFunction((s) => Number(new URL(location.href).searchParams.get('at_seq')) === s, first);
  await see(page, '.delta', 'Since then');
  await page.getByText('Show the difference').click();
  await see(page, 'h1', 'to now');
  await see(page, 'table.rows', 'changed');
  await page.goBack();
  await see(page, '.delta', 'Since then');
  await page.keyboard.press('n');
  await page.waitForFunction(() => !document.querySelector('.moment.past'));
  await page.getByLabel('True: one change earlier').click();
  await page.waitForFunction(() => new URL(location.href).searchParams.has('valid_at'));
  const valid = await page.evaluate(() => new URL(location.href).searchParams.get('valid_at'));
  await page.getByLabel('True: one change earlier').click();
  await page.waitForFunction((v) => (new URL(location.href).searchParams.get('valid_at') ?? '9') < v, valid);
  await page.getByLabel(/^Off/).click();
  await page.waitForFunction(() => !new URL(location.href).searchParams.has('valid_at'));
  const slider = page.locator('.axis.k input[type=range]'), box = await slider.boundingBox();
  await page.mouse.click(box.x + box.width * 0.4, box.y + box.height / 2);
  await page.waitForFunction(() => new URL(location.href).searchParams.has('as_of'));
  await see(page, '.moment.past', 'Past, as of');
  await page.keyboard.press('t');
  await page.keyboard.type('7d');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => Date.now() - Date.parse(new URL(location.href).searchParams.get('as_of')) < 8 * 864e5);
  await page.keyboard.press('t');
  await page.keyboard.type('the day before');
  await page.keyboard.press('Enter');
  await see(page, '#asof-why', 'Write a time');
});

step('history: versions, diffs, keys, the timeline', async (open) => {
  const page = await open({ path: '?store=orders&key=order-000139' });
  await see(page, 'main', '107 versions');
  await see(page, '.tag.ok', 'follows unbroken');
  await see(page, '.panel', '106 → 107');
  await page.keyboard.press('[');
  await see(page, '.panel', '105 → 106');
  check(new URL(page.url()).searchParams.has('v'), 'the version is not in the link');
  await again(page, '105 → 106');
  await page.keyboard.press(']');
  await see(page, '.panel', '106 → 107');
  await page.keyboard.press('d');
  await see(page, '#raw-p pre', '"state"');
  await again(page, '"state"');
  await page.keyboard.press('d');
  await see(page, '.diff', 'total');
  check(await page.locator('.diff .ins, .diff .del').count() > 0, 'nothing differs');
  await page.keyboard.press('/');
  await page.keyboard.type('coupon');
  check(await rows(page) < 100, 'the filter shows', await rows(page));
  await page.fill('[placeholder="Field, value or producer"]', '');
  await page.getByLabel('Show', { exact: true }).selectOption('Known later than true');
  check(await rows(page) > 0 && await rows(page) < 40, 'dated back are', await rows(page));
  await page.getByLabel('Show', { exact: true }).selectOption('All versions');
  await page.getByRole('button', { name: 'Older', exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll('main table.rows tbody tr').length === 107);
  await page.locator('a[data-open]', { hasText: /^1$/ }).click();
  await see(page, '.panel', 'nothing before');
  const { width } = await page.locator('svg.slope').boundingBox();
  await page.locator('svg.slope').click({ position: { x: width / 2, y: 14 } });
  await see(page, '#diff-title', '→');
  await page.getByText('Copy value').click();
  await copied(page, (text) => text.includes('"state"'));
  await page.getByText('Store at this seq').click();
  await see(page, '.moment.past', 'Past, as of');
  await see(page, 'h1', 'orders');
});

step('why: lineage, proof, effects, the graph', async (open) => {
  const page = await open({ path: '?store=orders&key=order-000001' });
  await see(page, 'table.rows', 'rule order-total');
  await page.locator('td a', { hasText: 'rule order-total' }).last().click();
  await see(page, 'h1', 'Why order-000001');
  await ready(page);
  await see(page, '.verdict', '✓ Verified');
  const came = page.locator('section', { has: page.locator('#came') });
  for (const part of ['users/', 'prices/', 'events/', 'session-start', 'source']) check((await came.innerText()).includes(part), 'the causes lack', part);
  const led = page.locator('section', { has: page.locator('#led') });
  for (const part of ['stock/', 'rule reserve wrote', 'order-priced']) check((await led.innerText()).includes(part), 'the effects lack', part);
  check(await page.locator('.graph a').count() > 4, 'the graph has few facts');
  console.log(`command ${await page.locator('#as-igniter-p code').textContent()}`);
  await accessible(page, 'why');
  await again(page, 'Verified');
  await page.getByLabel('Depth').selectOption('1');
  await page.waitForFunction(() => location.search.includes('depth=1'));
  await see(page, '.verdict', 'cut off at depth 1');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await see(page, 'main', 'versions');
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await see(page, 'h1', 'Why');
  await page.goto(`${SITE}/ui/?store=orders&key=order-000139`);
  await page.locator('table.rows tbody tr', { hasText: '→' }).first().locator('a[data-open]').click();
  const changed = await (await see(page, '.diff tr:has(.ins) th', undefined)).innerText();
  await page.getByText('Why this value').click();
  await see(page, '.node.here', changed); // what the version changed comes first
});

step('live: facts come, pause, filters, and nothing is missed when the connection is lost', async (open) => {
  const [page, cut, mend] = await gated(open, { path: '?view=live&store=stock', token: 'ana-ro' });
  await see(page, 'h1', 'Facts as they come');
  await page.waitForFunction(() => document.querySelector('#conn').textContent === 'Connected');
  await write('stock', 'p-01', { reserved: 1001 });
  await see(page, '#tail', '1001');
  await write('orders', 'order-000001', { state: 'secret of another store' });
  await page.keyboard.press(' ');
  await see(page, '#pause[aria-pressed=true]');
  await write('stock', 'p-02', { reserved: 1002 });
  await see(page, '#matched', '1 waiting');
  check(!(await main(page)).includes('1002'), 'a paused tail moves');
  await page.keyboard.press(' ');
  await see(page, '#tail', '1002');
  await cut();
  await see(page, '#conn', 'Lost');
  await write('stock', 'p-03', { reserved: 1003 });
  await write('stock', 'p-04', { reserved: 1004 });
  await mend();
  await see(page, '#tail', '1003');
  await see(page, '#tail', '1004');
  await see(page, '.gap', 'Nothing missed');
  check(!(await main(page)).includes('secret of another store'), 'the filter lets others through');
  await page.locator('summary', { hasText: '+ Filter' }).click();
  await page.getByLabel('Filter by').selectOption('where');
  await page.getByLabel('Value', { exact: true }).fill('reserved>2000');
  await page.keyboard.press('Enter');
  await see(page, '.chip', 'reserved > 2000');
  await page.waitForFunction(() => document.querySelector('#conn').textContent === 'Connected');
  await ready(page);
  await write('stock', 'p-05', { reserved: 1005 });
  await write('stock', 'p-06', { reserved: 2006 });
  await see(page, '#tail', '2006');
  check(!(await main(page)).includes('1005'), 'the condition lets others through');
});

step('live: the empty key is a key, and not all of them', async (open) => {
  const page = await open({ path: '?view=live&store=hostile&key=&after=1' });
  await see(page, '#tail', '(the empty key)');
  check(await page.locator('#tail tr').count() === 1, 'facts of other keys are shown');
});

step('a server that goes away and comes back', async (open) => {
  const [page, cut, mend] = await gated(open, { path: '?store=prices' });
  await see(page, 'table.rows', 'p-01');
  await cut();
  await page.getByRole('link', { name: 'Stores', exact: true }).click();
  await see(page, 'main', 'The server does not answer');
  await accessible(page, 'error');
  await see(page, '#conn', 'Lost');
  await mend();
  await see(page, 'h1', 'Stores');
  await see(page, '#conn', 'Connected');
});

step('server: for administrators only', async (open) => {
  const page = await open({ path: '?view=server' });
  await see(page, 'main', 'Subscribers');
  await see(page, 'main', '✓ Ready');
  const narrow = await open({ path: '?view=server', token: 'ana-ro' });
  await see(narrow, 'h1', 'Permission denied');
  check(!(await narrow.locator('[data-section=server]').isVisible()), 'the section is shown to others');
});

step('narrow tokens see their stores and no other', async (open) => {
  const page = await open({ token: 'ana-ro' });
  await see(page, 'table.rows', 'orders');
  const text = await page.locator('table.rows').innerText();
  check(!text.includes('events') && !text.includes('hostile'), 'stores that may not be read', text);
  const other = await open({ token: 'ana-ro', path: '?store=events' });
  await see(other, 'h1', 'Permission denied');
  await see(other, 'main', 'ana-ro');
  await accessible(other, 'denied');
  const none = await open({ token: 'none' });
  await see(none, 'main', 'No store that may be read has facts');
  await accessible(none, 'empty');
  const live = await open({ token: 'none', path: '?view=live' });
  await see(live, 'h1', 'Facts as they come');
});

step('every key', async (open) => {
  const page = await open({ path: '?store=orders&key=order-000139' });
  await see(page, '.panel', '106 → 107');
  await page.keyboard.press('?');
  await see(page, 'dialog[open]', 'Keys');
  await accessible(page, 'keys');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('dialog[open]'));
  await page.keyboard.press('y');
  await copied(page, (text) => text === page.url());
  await page.keyboard.press('c');
  await copied(page, (text) => text.startsWith('igniter history orders order-000139'));
  for (const [keys, shows] of [['gs', 'Stores'], ['gt', 'Facts as they come'], ['gh', 'Server'], ['gl', 'Why order-000139']]) {
    for (const k of keys) await page.keyboard.press(k);
    await see(page, 'h1', shows);
  }
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await see(page, 'table.rows', 'orders');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('store='));
  await see(page, '.axes', 'Known');
  await ready(page);
  await page.keyboard.press('/');
  check(await page.evaluate(() => document.activeElement.type) === 'search', '/ does not reach the filter');
  await page.keyboard.press('Escape');
  check(await page.evaluate(() => document.activeElement.type) !== 'search', 'Esc does not leave a field');
});

step('links that ask for what cannot be', async (open) => {
  const page = await open({ path: '?store=orders&as_of=yesterday-ish' });
  await see(page, 'main', 'The link asks for what cannot be');
  await accessible(page, 'bad link');
  for (const path of ['?store=orders&at_seq=99999999', '?fact=none-such', '?store=orders&order=%00', '?store=', '?view=diff&store=orders&from=x', '?store=orders&where=%3D%3D']) {
    await page.goto(`${SITE}/ui/${path}`);
    await ready(page);
    check((await main(page)).length > 20, 'nothing is shown for', path);
  }
});

await run();
