/** On a real Redis: a message of another node comes first although a query stands behind a command that was on its way (I4). */
import { expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { openShared } from '../../../src/bus/open-shared.js';
import { resolveConfig } from '../../../src/runtime/config.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import type { CommitRequest } from '../../../src/wal/wal.js';
import { RedisServer } from '../../redis/harness.mjs';

it.each([1, 8])('starts what was accepted first first, dispatchAhead %d (I4)', async (dispatchAhead) => {
  const server = await RedisServer.start();
  const nodes: AtomicQueuesNode[] = [];
  try {
    const config = (serverId: string) => ({
      redis: { host: '127.0.0.1', port: server.port },
      entities: { account: { dispatchAhead } },
      cluster: { serverId },
    });
    // Holds back the answers of commits on demand.
    let answers: Promise<void> | undefined;
    let applied = (): void => {};
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const parts = openShared(resolveConfig(config('owner')), systemRuntime, logger);
    if (parts === undefined) throw new Error('No store is configured.');
    const wal = new Proxy(parts.wal, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'commit') return typeof value === 'function' ? value.bind(target) : value;
        return async (request: CommitRequest) => {
          const answer = await target.commit(request);
          applied();
          await answers;
          return answer;
        };
      },
    });
    const ran: string[] = [];
    const owner = createNode({ config: config('owner'), logger, shared: { ...parts, wal } });
    owner.handle('account', 'do', (payload) => void ran.push((payload as { n: string }).n));
    owner.handle('account', 'ask', (payload) => void ran.push((payload as { n: string }).n), { kind: 'query' });
    nodes.push(owner);
    await owner.start();
    const sender = createNode({ config: config('sender') });
    nodes.push(sender);
    await sender.open();
    await owner.queueBus.enqueueAndWait('account', 'do', 'a', { n: '0' });
    await sender.queueBus.enqueueAndWait('account', 'do', 'a', { n: '1' });
    await owner.whenIdle();
    let release = (): void => {};
    answers = new Promise((resolve) => {
      release = resolve;
    });
    const hasBeenApplied = new Promise<void>((resolve) => {
      applied = resolve;
    });
    const asked = owner.queueBus.enqueueAndWait('account', 'ask', 'a', { n: 'q' });
    await hasBeenApplied;
    await sender.queueBus.enqueue('account', 'do', 'a', { n: 'x' });
    const sent = owner.queueBus.enqueue('account', 'do', 'a', { n: 'y' });
    answers = undefined;
    release();
    await Promise.all([asked, sent]);
    await owner.whenIdle();
    expect(ran.filter((n) => n !== 'q')).toEqual(['0', '1', 'x', 'y']);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await server.dispose();
  }
});
