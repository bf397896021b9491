// ioredis on a geo endpoint over TLS: see run.py for what it is told and what it tells.

import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import Redis from "ioredis";

const BATCH = 50;
const PAUSE = 2;
const { GEO_HOST, GEO_PORT, GEO_NAME, CA, KEY, NAME } = process.env;

const counts = { plain: 0, pipelined: 0, published: 0, messages: 0 };
const errors = [];
let stopped = false;

// A connection that is never made again by itself: when it ends, that is an error.
function connect(label) {
  const client = new Redis({
    host: GEO_HOST,
    port: Number(GEO_PORT),
    password: KEY,
    tls: { ca: fs.readFileSync(CA), servername: GEO_NAME },
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableAutoPipelining: false,
  });
  client.on("error", (error) => errors.push(`${label}: ${error}`));
  client.on("close", () => {
    if (!stopped) errors.push(`${label}: closed`);
  });
  return client;
}

async function plain() {
  const client = connect("plain");
  const key = `clients:${NAME}:plain`;
  for (let value = 1; !stopped; value += 1) {
    const got = await client.incr(key);
    await client.set(`${key}:text`, `value ${value}`);
    const read = await client.get(`${key}:text`);
    counts.plain += 3;
    if (got !== value || read !== `value ${value}`) throw new Error(`${got} for ${value}: ${read}`);
    await sleep(PAUSE);
  }
  client.disconnect();
}

async function pipelined() {
  const client = connect("pipelined");
  const key = `clients:${NAME}:pipelined`;
  for (let value = 0; !stopped; value += BATCH) {
    const pipeline = client.pipeline();
    for (let n = 0; n < BATCH; n += 1) pipeline.incr(key);
    const answers = await pipeline.exec();
    answers.forEach(([error, got], n) => {
      if (error) throw error;
      if (got !== value + n + 1) throw new Error(`${got} for ${value + n + 1}`);
    });
    counts.pipelined += BATCH;
    await sleep(PAUSE);
  }
  client.disconnect();
}

async function published() {
  const client = connect("publisher");
  for (let number = 1; !stopped; number += 1) {
    await client.publish(`clients:${NAME}`, String(number));
    counts.published += 1;
    await sleep(PAUSE);
  }
  client.disconnect();
}

async function subscribed() {
  const client = connect("subscriber");
  let last = 0;
  client.on("message", (_channel, text) => {
    counts.messages += 1;
    counts.last_message = Date.now() / 1000;
    if (Number(text) <= last) errors.push(`subscriber: ${text} after ${last}`);
    last = Number(text);
  });
  await client.subscribe(`clients:${NAME}`);
  while (!stopped) await sleep(PAUSE);
  client.disconnect();
}

const work = [subscribed, plain, pipelined, published].map((one) =>
  one().catch((error) => errors.push(`${one.name}: ${error}`)),
);
process.stdin.resume();
await new Promise((resolve) => process.stdin.on("end", resolve));
await sleep(500);
stopped = true;
await Promise.all(work);
console.log(JSON.stringify({ ...counts, errors: errors.length, shown: errors.slice(0, 5) }));
process.exit(0);
