/** Reminders in a real store: a SQLite file across restarts, and a Redis across nodes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { RedisServer } from '../../redis/harness.mjs';

interface Runs {
  readonly by: string[];
  /** Resolves at the next run. */
  next(): Promise<void>;
}

function runs(): Runs & { ran(by: string): void } {
  const waiting: (() => void)[] = [];
  const by: string[] = [];
  return {
    by,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    ran: (name) => {
      by.push(name);
      for (const tell of waiting.splice(0)) tell();
    },
  };
}

function makeNode(
  name: string,
  config: AtomicQueuesConfig,
  ran: (by: string) => void,
  handles = true,
): AtomicQueuesNode {
  const node = createNode({ config });
  if (handles) node.handle('meter', 'Read', () => ran(name));
  return node;
}

it('goes on after a restart, in the same rhythm, and is there once (SQLite)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aq-reminders-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const config = { store: { path: join(folder, 'store.db') } };
  const seen = runs();
  const one = makeNode('one', config, seen.ran);
  await one.start();
  const startAt = Date.now() - 50;
  for (let times = 0; times < 3; times += 1)
    await one.queueBus.forEntity('meter', 'm').remind('read', 'Read', {}, { everyMs: 200, startAt });
  await seen.next();
  await one.stop();
  const two = makeNode('two', config, seen.ran);
  await two.start();
  await seen.next();
  const [reminder, ...others] = await two.queueBus.forEntity('meter', 'm').reminders();
  expect(others).toEqual([]);
  expect(((reminder?.nextRunAt ?? 0) - startAt) % 200).toBe(0);
  await two.queueBus.forEntity('meter', 'm').forgetReminder('read');
  expect(await two.queueBus.reminders.list()).toEqual([]);
  await two.stop();
  expect(new Set(seen.by)).toEqual(new Set(['one', 'two']));
});

it('is set from any node, and goes on where its entity goes (Redis)', { timeout: 60_000 }, async () => {
  const server = await RedisServer.start();
  const nodes: AtomicQueuesNode[] = [];
  onTestFinished(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await server.dispose();
  });
  const seen = runs();
  const add = (name: string, handles = true): AtomicQueuesNode => {
    const config = { redis: { host: '127.0.0.1', port: server.port }, cluster: { serverId: name } };
    const node = makeNode(name, config, seen.ran, handles);
    nodes.push(node);
    return node;
  };
  const one = add('one');
  await one.start();
  const sender = add('sender', false);
  await sender.open();
  const meter = sender.queueBus.forEntity('meter', 'm');
  await meter.remind('read', 'Read', {}, { everyMs: 100 });
  await meter.remind('read', 'Read', {}, { everyMs: 150 });
  await seen.next();
  expect(await meter.reminders()).toMatchObject([{ name: 'read', everyMs: 150, message: 'Read' }]);
  await one.stop();
  const two = add('two');
  await two.start();
  await seen.next();
  expect(seen.by.at(-1)).toBe('two');
  await meter.forgetReminder('read');
  await two.queueBus.enqueueAndWait('meter', 'Read', 'm', {});
  expect(await sender.queueBus.reminders.list({ entityType: 'meter' })).toEqual([]);
});
