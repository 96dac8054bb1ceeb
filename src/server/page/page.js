'use strict';
// The page asks the daemon what anybody may ask: /health, /metrics, /v1/…. Nothing is set as HTML, since
// customers' names and bad lines are whatever somebody sent.

const FIGURES_EVERY = 2000, LISTS_EVERY = 5000, USAGE_EVERY = 30000, PATIENCE = 8000;
const POINTS = 120, WINDOWS = 60, LISTED = 10, CUSTOMERS = 6, COLOURS = ['a', 'b', 'c', 'd', 'e', 'f'];
const HOUR = 3600000;
const byId = (id) => document.getElementById(id);

// ---- what stands on the page ----

/** An element; `on…` are listeners, `text` its text, everything else attributes. */
function make(name, given = {}, children = []) {
  const svg = ['svg', 'path', 'rect', 'text', 'line', 'g', 'title'].includes(name);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key === 'text') made.textContent = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/** Puts children into an element, unless they are the same already: focus and selection stay. */
function fill(element, children) {
  const next = make('div', {}, children);
  const active = element.contains(document.activeElement) && document.activeElement.id;
  if (element.innerHTML === next.innerHTML) return;
  element.replaceChildren(...next.childNodes);
  if (active) byId(active)?.focus();
}

/** A table that is scrolled sideways where there is no room for it, with the keyboard, too. */
function table(caption, columns, rows) {
  const cell = (name, content, column, more = {}) =>
    make(name, { class: column.kind, ...more }, [content instanceof Node ? content : String(content)]);
  const inner = make('table', {}, [
    make('caption', { text: caption }),
    make('thead', {}, [make('tr', {}, columns.map((column) => cell('th', column.name, column, { scope: 'col' })))]),
    make('tbody', {}, rows.map((row) => make('tr', {}, row.map((content, at) =>
      at === 0 ? cell('th', content, columns[at], { scope: 'row' }) : cell('td', content, columns[at]))))),
  ]);
  return make('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': caption }, [inner]);
}

const soft = (text) => make('p', { class: 'soft', text });
const pill = (kind, text) => make('span', { class: `pill ${kind}`, text });

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3, notation: 'compact' });
const count = (number) => (number < 100000 ? whole : short).format(number);

function bytes(number) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; number >= 1024 && unit + 1 < units.length; unit += 1) number /= 1024;
  return `${number >= 100 || unit === 0 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toPrecision(3)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

const utc = (moment) => moment.toISOString().replace('T', ' ').replace(/(\.000)?Z$/, ' UTC');
/** A timestamp of the API, readable: what is behind a second is left out. */
const moment = (text) => text.replace('T', ' ').replace(/(\.\d+)?Z$/, '');

// ---- asking ----

let token = sessionStorage.getItem('windrow-token') ?? '';

class Denied extends Error {}

async function ask(path) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 401 || answer.status === 403) throw new Denied((await answer.json()).detail);
  return answer;
}

async function askJson(path) {
  const answer = await ask(path);
  if (!answer.ok) throw new Error((await answer.json()).detail ?? `${path} answered ${answer.status}`);
  return answer.json();
}

/** What needs a stream or a sink that isn't there, or that the token isn't for, is left out. */
async function maybe(path) {
  try {
    return await askJson(path);
  } catch (error) {
    if (error instanceof TypeError || error.name === 'TimeoutError') throw error;
    return null;
  }
}

/** A chart that is as wide as there is room, with a text for those who don't see it and labels below. */
function chart(label, width, height, shapes, labels) {
  return [
    make('svg', { viewBox: `0 0 ${width} ${height}`, height, preserveAspectRatio: 'none', role: 'img', 'aria-label': label }, shapes),
    make('p', { class: 'labels', 'aria-hidden': 'true' }, labels.map((text) => make('span', { text }))),
  ];
}

/** Prometheus' text as samples by name: `[{labels, value}]`. */
function samples(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const parts = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = Object.fromEntries([...(parts[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
    if (!found.has(parts[1])) found.set(parts[1], []);
    found.get(parts[1]).push({ labels, value: Number(parts[3]) });
  }
  return found;
}

const sum = (found, name) => (found.get(name) ?? []).reduce((total, sample) => total + sample.value, 0);

/** A quantile of a histogram, of what came between two looks: linear within a bucket, as Prometheus does it. */
function quantile(now, before, name, share) {
  const total = (found) => {
    const buckets = new Map();
    for (const { labels, value } of found?.get(`${name}_bucket`) ?? [])
      buckets.set(labels.le, (buckets.get(labels.le) ?? 0) + value);
    return buckets;
  };
  const earlier = total(before);
  const buckets = [...total(now)].map(([le, value]) => [le === '+Inf' ? Infinity : Number(le), value - (earlier.get(le) ?? 0)]);
  buckets.sort(([a], [b]) => a - b);
  const all = buckets.at(-1)?.[1] ?? 0;
  if (all <= 0) return NaN;
  let low = 0, below = 0;
  for (const [le, upTo] of buckets) {
    if (upTo >= share * all) return le === Infinity ? low : low + (le - low) * ((share * all - below) / (upTo - below || 1));
    [low, below] = [le, upTo];
  }
  return low;
}

// ---- figures ----

const looks = [];

function showHealth(health) {
  const kinds = { ok: 'good', degraded: 'warn', failing: 'bad' };
  const status = byId('status');
  const text = health.reason ? `${health.status}: ${health.reason}` : health.status;
  if (status.textContent !== text) status.textContent = text;
  status.className = `pill ${kinds[health.status] ?? 'bad'}`;
  byId('about').textContent = `${location.host} · version ${health.version} · up ${duration(health.uptime_seconds)}`;
}

function showTiles(health, look) {
  const before = looks.length > 1 ? looks[Math.max(0, looks.length - 6)] : undefined;
  const seconds = before ? (look.at - before.at) / 1000 : NaN;
  const rate = before ? (look.accepted - before.accepted) / seconds : NaN;
  const name = 'windrow_request_duration_seconds';
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(look.found, before?.found, name, share));
  const behind = Math.max(0, ...(health.sinks ?? []).map((sink) => sink.lag?.seconds ?? 0));
  const max = sum(look.found, 'windrow_log_max_bytes');
  const tiles = [
    ['Events a second', Number.isNaN(rate) ? '–' : count(rate)],
    ['Acknowledged in, p50', duration(p50)],
    ['Acknowledged in, p99', duration(p99)],
    ['Acknowledged since the start', count(look.accepted)],
    ['Sinks behind', duration(behind)],
    ['Log on disk', `${bytes(health.log?.bytes ?? 0)}${max ? ` of ${bytes(max)}` : ''}`],
    ['Free for the log', health.log?.free_bytes === undefined ? '–' : bytes(health.log.free_bytes)],
    ['Connections', count(sum(look.found, 'windrow_connections'))],
  ];
  fill(byId('tiles'), tiles.map(([term, text]) => make('div', {}, [make('dt', { text: term }), make('dd', { text })])));
}

function showThroughput() {
  const rates = looks.slice(1).map((look, at) => Math.max(0, (look.accepted - looks[at].accepted) / ((look.at - looks[at].at) / 1000)));
  const top = Math.max(1, ...rates), [width, height] = [600, 90];
  const x = (at) => width - (rates.length - 1 - at) * (width / (POINTS - 1));
  const y = (rate) => height - 2 - (rate / top) * (height - 6);
  const line = rates.map((rate, at) => `${at ? 'L' : 'M'}${x(at).toFixed(1)} ${y(rate).toFixed(1)}`).join('');
  const label = rates.length ? `Now ${count(rates.at(-1))} events a second; most in the last four minutes ${count(top)}.` : 'No figures yet.';
  fill(byId('throughput'), chart(label, width, height, [
    make('line', { x1: 0, x2: width, y1: height - 2, y2: height - 2, stroke: 'var(--line)' }),
    make('path', { d: line ? `${line}L${width} ${height - 2}L${x(0).toFixed(1)} ${height - 2}Z` : '', fill: 'var(--a)', 'fill-opacity': .18 }),
    make('path', { d: line, fill: 'none', stroke: 'var(--a)', 'stroke-width': 2, 'stroke-linejoin': 'round', 'vector-effect': 'non-scaling-stroke' }),
  ], [rates.length ? `most: ${count(top)} a second` : 'no figures yet', 'now']));
}

function showSinks(health) {
  const rows = (health.sinks ?? []).map((sink) => [
    `${sink.sink} of ${sink.stream}`,
    sink.status === 'ok' ? pill('good', 'ok') : make('span', {}, [
      pill(sink.status === 'damaged' ? 'bad' : 'warn', sink.status),
      ` ${sink.error ?? ''}${sink.next_retry_ms === undefined ? '' : `; tried again in ${duration(sink.next_retry_ms / 1000)}`}`,
    ]),
    count(sink.lag?.events ?? 0), bytes(sink.lag?.bytes ?? 0), duration(sink.lag?.seconds ?? 0), count(sink.events_applied ?? 0), count(sink.events_failed ?? 0),
  ]);
  const number = (name) => ({ name, kind: 'number' });
  fill(byId('sinks'), [rows.length ? table('What each output hasn’t applied yet', [{ name: 'Sink' }, { name: 'State' }, number('Events behind'), number('Bytes behind'), number('Age'), number('Applied'), number('Failed')], rows) : soft('The log is being opened.')]);
}

async function figures() {
  // Said to whoever asks, 503 as well while the daemon opens its log or ends.
  const health = await (await fetch('/health', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })).json();
  showHealth(health);
  const found = samples(await (await ask('/metrics')).text());
  const look = { at: performance.now(), accepted: sum(found, 'windrow_events_accepted_total'), found };
  if (looks.length && look.accepted < looks.at(-1).accepted) looks.length = 0; // It was started anew.
  looks.push(look);
  if (looks.length > POINTS + 1) looks.shift();
  for (const old of looks.slice(0, -7)) old.found = undefined;
  showTiles(health, look);
  showThroughput();
  showSinks(health);
}

// ---- windows and rejected lines ----

const windowKind = (record) => (record.late ? 'late' : record.committed_at ? 'committed' : 'open');
const windowFill = { committed: 'var(--a)', open: 'var(--b)', late: 'var(--c)' };

/** Late files lie below the line: they may reach over many windows. */
function timeLine(stream, records) {
  const [width, height, base] = [600, 44, 32];
  const from = Math.min(...records.map((record) => Date.parse(record.window_start)));
  const to = Math.max(...records.map((record) => Date.parse(record.window_end)), from + 1);
  const most = Math.max(1, ...records.filter((record) => !record.late).map((record) => record.rows));
  const x = (text) => ((Date.parse(text) - from) / (to - from)) * width;
  const bars = records.map((record) => {
    const kind = windowKind(record), tall = record.late ? 5 : 5 + 25 * (record.rows / most);
    return make('rect', {
      x: x(record.window_start).toFixed(2), width: Math.max(1, x(record.window_end) - x(record.window_start) - 1).toFixed(2),
      y: (record.late ? base + 4 : base - tall).toFixed(2), height: tall.toFixed(2), fill: windowFill[kind], 'fill-opacity': kind === 'committed' ? .9 : .6,
    }, [make('title', { text: `${record.file}: ${kind}, ${count(record.rows)} rows` })]);
  });
  const label = `${stream}: ${records.length} windows from ${utc(new Date(from))} to ${utc(new Date(to))}; the table below lists the newest.`;
  const baseLine = make('line', { x1: 0, x2: width, y1: base + 1, y2: base + 1, stroke: 'var(--line)' });
  return chart(label, width, height, [baseLine, ...bars], [utc(new Date(from)), utc(new Date(to))]);
}

function download(stream, record) {
  const path = `/v1/streams/${encodeURIComponent(stream)}/windows/${encodeURIComponent(record.file)}`;
  const given = { text: record.file, title: 'Download', id: `get-${record.file}` };
  if (!record.committed_at) return make('span', { text: record.file });
  if (!token) return make('a', { href: path, download: record.file, ...given });
  // A link can't carry the token.
  return make('button', { type: 'button', onclick: () => save(path, record.file), ...given });
}

async function save(path, file) {
  try {
    const url = URL.createObjectURL(await (await ask(path)).blob());
    make('a', { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch (error) {
    alert(`${file} can’t be fetched: ${error.message}`);
  }
}

function windowsOf(stream, listing) {
  const records = [...listing.open.map((open) => ({ ...open })), ...listing.committed];
  const heading = make('h3', { text: stream });
  if (!records.length) return [heading, soft('No events yet.')];
  const number = (name) => ({ name, kind: 'number' });
  const rows = records.slice(0, LISTED).map((record) => {
    const kind = windowKind(record);
    return [
      download(stream, record),
      pill({ committed: 'good', late: 'warn', open: 'open' }[kind], kind),
      `${moment(record.window_start)} – ${moment(record.window_end).slice(11)}`,
      count(record.rows), bytes(record.bytes), record.committed_at ? moment(record.committed_at) : '–',
    ];
  });
  const total = `${count(listing.rows)} rows in all; the newest ${rows.length} windows, times in UTC`;
  return [heading, make('div', { class: 'card' }, timeLine(stream, records.slice(0, WINDOWS))),
    table(total, [{ name: 'File' }, { name: 'State' }, { name: 'Event time' }, number('Rows'), number('Size'), { name: 'Committed' }], rows)];
}

async function lists() {
  const { streams } = await askJson('/v1/streams');
  const parts = [], lines = [];
  for (const { name, sinks } of streams) {
    const path = `/v1/streams/${encodeURIComponent(name)}`;
    const listing = sinks.includes('windows') ? await maybe(`${path}/windows?limit=${WINDOWS}`) : null;
    if (listing) parts.push(...windowsOf(name, listing));
    const rejected = await maybe(`${path}/rejected`);
    lines.push(...(rejected?.lines ?? []).map((line) => ({ stream: name, ...line })));
  }
  fill(byId('windows'), parts.length ? parts : [soft('No stream has windows.')]);
  lines.sort((a, b) => (a.at < b.at ? 1 : -1));
  const rows = lines.slice(0, 2 * LISTED).map((line) => [moment(line.at), line.stream, count(line.line), line.field ?? '', line.detail, line.quarantined ? 'kept in quarantine' : 'request refused']);
  fill(byId('rejected'), [rows.length ? table('The newest since the start, times in UTC', [{ name: 'When' }, { name: 'Stream' }, { name: 'Line', kind: 'number' }, { name: 'Field' }, { name: 'Why', kind: 'reason' }, { name: 'What became of it' }], rows) : soft('None since the start.')]);
}

// ---- usage ----

async function usage() {
  const all = await maybe('/v1/usage/totals?window_size=none&limit=1000');
  byId('usage-section').hidden = !all;
  if (!all) return;
  if (!all.customers.length) return fill(byId('usage'), [soft('No events yet.')]);
  const top = [...all.customers].sort((a, b) => b.total - a.total).slice(0, CUSTOMERS);
  const last = Math.max(...top.map((customer) => Date.parse(customer.ending_before)));
  const to = Math.ceil(last / HOUR) * HOUR, hours = 24, from = to - hours * HOUR;
  const between = `window_size=hour&starting_at=${new Date(from).toISOString()}&ending_before=${new Date(to).toISOString()}`;
  const found = await Promise.all(top.map((customer) => maybe(`/v1/customers/${encodeURIComponent(customer.customer_id)}/total_events?${between}`)));
  const series = found.filter(Boolean).map((answer) => ({ name: answer.customer_id, total: answer.total, counts: answer.buckets.map((bucket) => bucket.count) }));
  const columns = Array.from({ length: hours }, (_, hour) => series.map((one) => one.counts[hour] ?? 0));
  const most = Math.max(1, ...columns.map((column) => column.reduce((a, b) => a + b, 0)));
  const [width, height] = [600, 130], step = width / hours;
  const bars = columns.flatMap((column, hour) => {
    let top = height - 1;
    return column.map((number, at) => {
      const tall = (number / most) * (height - 2);
      top -= tall;
      return make('rect', { x: (hour * step + 1).toFixed(2), width: (step - 2).toFixed(2), y: top.toFixed(2), height: tall.toFixed(2), fill: `var(--${COLOURS[at]})` },
        [make('title', { text: `${series[at].name}, ${utc(new Date(from + hour * HOUR))}: ${count(number)}` })]);
    });
  });
  const label = `Events by hour of the ${series.length} customers with the most events, from ${utc(new Date(from))} to ${utc(new Date(to))}; the table below has their totals.`;
  const more = all.next ? 'of the first thousand customers, those' : 'the customers';
  fill(byId('usage'), [
    make('figure', {}, [
      make('figcaption', { text: `Events an hour in the last 24 hours that have any, ${more} with the most events` }),
      ...chart(label, width, height, [make('line', { x1: 0, x2: width, y1: height, y2: height, stroke: 'var(--line)' }), ...bars],
        [utc(new Date(from)), `most: ${count(most)} an hour`, utc(new Date(to))]),
      make('ul', { class: 'key' }, series.map((one, at) => make('li', {}, [make('i', { class: `colour-${COLOURS[at]}` }), one.name || '(no name)']))),
    ]),
    table('Counted', [{ name: 'Customer', kind: 'name' }, { name: 'In these 24 hours', kind: 'number' }, { name: 'Ever', kind: 'number' }], series.map((one, at) => [one.name || '(no name)', count(one.total), count(top[at].total)])),
  ]);
}

// ---- again and again ----

let lostSince = null;

function lost(error) {
  lostSince ??= new Date();
  const banner = byId('lost');
  banner.hidden = false;
  const text = `No answer from windrow at ${location.host} since ${lostSince.toLocaleTimeString()}. What stands below is from before; it is asked for again every few seconds.`;
  if (banner.textContent !== text) banner.textContent = text;
  byId('status').className = 'pill bad';
  byId('status').textContent = 'no answer';
  console.warn(error);
}

function reached() {
  lostSince = null;
  byId('lost').hidden = true;
  byId('sign-in').hidden = true;
  byId('figures').hidden = false;
  byId('sign-out').hidden = !token;
}

function signIn(reason) {
  byId('figures').hidden = true;
  byId('sign-in').hidden = false;
  byId('denied').textContent = token ? reason : '';
}

/** Does something over and over, a while after the last time has ended, when somebody looks. */
async function repeatedly(work, every) {
  for (;;) {
    if (!document.hidden && byId('sign-in').hidden) {
      try {
        await work();
        reached();
      } catch (error) {
        if (error instanceof Denied) signIn(error.message);
        else lost(error);
      }
    }
    await new Promise((resolve) => { setTimeout(resolve, every); wake.add(resolve); });
    wake.clear();
  }
}

const wake = new Set();
const again = () => { for (const resolve of [...wake]) resolve(); };

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  token = byId('token').value.trim();
  sessionStorage.setItem('windrow-token', token);
  byId('sign-in').hidden = true;
  again();
});
byId('sign-out').addEventListener('click', () => {
  token = '';
  sessionStorage.removeItem('windrow-token');
  location.reload();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) again(); });

repeatedly(figures, FIGURES_EVERY);
repeatedly(lists, LISTS_EVERY);
repeatedly(usage, USAGE_EVERY);
