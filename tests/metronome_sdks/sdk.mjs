// Metronome's SDK for JavaScript, unchanged, against windrow: every call that windrow answers.
//
// `METRONOME_BASE_URL` says where windrow is. Fails by an exception.

import assert from 'node:assert/strict';
import Metronome from '@metronome/sdk';

const PREFIX = 'javascript-';
// Slashes, blanks, quotes, percent signs, and nothing that fits a UUID.
const CUSTOMERS = ['team@example.com', 'a/b "c" 100%', '🦀'];
const TYPES = ['heartbeat', 'api request'];
const HOURS = 48;

const client = new Metronome({ bearerToken: 'any', maxRetries: 0 });
const usage = client.v1.usage;

function event(number) {
  const hour = number % HOURS;
  const two = (n) => String(n).padStart(2, '0');
  return {
    transaction_id: `${PREFIX}${number}`,
    customer_id: PREFIX + CUSTOMERS[number % CUSTOMERS.length],
    event_type: PREFIX + TYPES[number % TYPES.length],
    timestamp: `2024-02-${28 + Math.floor(hour / 24)}T${two(hour % 24)}:${two(number % 60)}:00.001Z`,
    properties: { number, nested: { deep: [1.5, null] } },
  };
}

const events = (from, to) => Array.from({ length: to - from }, (_, n) => event(from + n));

async function collect(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const total = (items) => items.reduce((sum, item) => sum + item.value, 0);

async function waitFor(id) {
  for (let tries = 0; tries < 1000; tries++) {
    if ((await usage.search({ transactionIds: [id] })).length > 0) return;
    await new Promise((wake) => setTimeout(wake, 20));
  }
  assert.fail(`${id} isn't found`);
}

async function ingests() {
  for (let first = 0; first < 600; first += 100) {
    await usage.ingest({ usage: events(first, first + 100) });
  }
  // Some of them again, with other content: the first wins.
  const again = { ...event(7), customer_id: 'somebody else' };
  await usage.ingest({ usage: [...events(0, 50), again] });
  await usage.ingest({ usage: [] });
  await usage.ingest({ usage: [event(600)] });
  await waitFor(`${PREFIX}600`);
}

async function searches() {
  const ids = [`${PREFIX}7`, `${PREFIX}3`, 'nobody has sent this', `${PREFIX}599`];
  const found = await usage.search({ transactionIds: ids });
  assert.deepEqual(found.map((it) => it.transaction_id), [ids[0], ids[1], ids[3]]);
  const [seven, sent] = [found[0], event(7)];
  assert.ok(seven.id);
  for (const name of ['customer_id', 'event_type', 'properties']) {
    assert.deepEqual(seven[name], sent[name]);
  }
  assert.equal(new Date(seven.timestamp).getTime(), new Date(sent.timestamp).getTime());
  assert.equal(seven.is_duplicate, false);
  assert.equal(seven.matched_customer.id, sent.customer_id);
  assert.equal(seven.matched_billable_metrics[0].id, sent.event_type);
}

async function lists(window_size, windows) {
  const interval = { starting_on: '2024-02-28T00:00:00Z', ending_before: '2024-03-01T00:00:00Z' };
  const customer_ids = CUSTOMERS.map((name) => PREFIX + name);
  const items = await collect(usage.list({ ...interval, window_size, customer_ids }));
  assert.equal(items.length, CUSTOMERS.length * TYPES.length * windows);
  assert.equal(total(items), 601);
}

async function listsPageByPage() {
  const interval = { starting_on: '2024-02-01T00:00:00Z', ending_before: '2024-04-01T00:00:00Z' };
  const asked = {
    ...interval,
    window_size: 'HOUR',
    customer_ids: [PREFIX + CUSTOMERS[0]],
    billable_metrics: [{ id: PREFIX + TYPES[0] }, { id: 'nobody has sent this' }],
  };
  const page = await usage.list(asked);
  assert.ok(page.hasNextPage() && page.data.length <= 1000);
  const items = await collect(page);
  assert.equal(items.length, 2 * 60 * 24);
  assert.equal(total(items), 101);
  const everybody = await collect(usage.list({ ...interval, window_size: 'none' }));
  assert.equal(total(everybody.filter((item) => item.customer_id.startsWith(PREFIX))), 601);
}

async function errors() {
  const list = (more) =>
    usage.list({ starting_on: '2024-02-28', ending_before: '2024-03-01', window_size: 'DAY', ...more });
  for (const [says, call] of [
    ['timestamp', () => usage.ingest({ usage: [event(1), { ...event(2), timestamp: 'noon' }] })],
    ['transaction_id', () => usage.ingest({ usage: [{ ...event(1), transaction_id: '' }] })],
    ['window_size', () => list({ window_size: 'WEEK' })],
    ['ending_before', () => list({ ending_before: '2024-02-27' })],
    ['next_page', () => list({ next_page: '7' })],
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof Metronome.BadRequestError, String(error));
      assert.match(error.message, new RegExp(`^400 .*${says}`));
      return true;
    });
  }
}

await ingests();
await searches();
await lists('HOUR', HOURS);
await lists('DAY', 2);
await lists('NONE', 1);
await listsPageByPage();
await errors();
