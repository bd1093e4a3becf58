/** Callers, handlers, listeners and clocks that misbehave harm only themselves (I8, I9). */
import { describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/core.js';
import { createTestApp } from '../../../src/testing/test-app.js';

async function memoryNode(setup: (node: AtomicQueuesNode) => void): Promise<AtomicQueuesNode> {
  const node = createNode({ config: { wal: { enabled: false }, maxTotalQueueDepth: 0 } });
  setup(node);
  await node.start();
  return node;
}

describe('headers', () => {
  it('are what they were when the message was sent, whatever becomes of the object', async () => {
    const seen: unknown[] = [];
    const node = await memoryNode((made) =>
      made.handle('t', 'a', (_message, context) => seen.push(context.headers['n'])),
    );
    const headers: Record<string, string> = {};
    const sent: Promise<unknown>[] = [];
    for (let n = 0; n < 4; n += 1) {
      headers['n'] = String(n);
      sent.push(node.queueBus.enqueue('t', 'a', 'e', {}, { headers }));
    }
    (headers as Record<string, unknown>)['n'] = 1n;
    await Promise.all(sent);
    await node.whenIdle();
    expect(seen).toEqual(['0', '1', '2', '3']);
    await node.stop();
  });
});

describe('what a handler returns', () => {
  const results: [string, () => unknown, unknown][] = [
    ['settles twice', () => ({ then: (done: (value: number) => void) => (done(1), done(2)) }), 1],
    [
      'settles with a promise that is not done yet',
      () => ({
        then: (done: (value: Promise<number>) => void) => done(new Promise((later) => setImmediate(later, 3))),
      }),
      3,
    ],
  ];
  it.each(results)(
    'may be a thenable that %s: it counts once, with its value (I3, I5)',
    async (_title, result, reply) => {
      let atWork = 0;
      let most = 0;
      const node = await memoryNode((made) =>
        made.handle('t', 'a', () => {
          atWork += 1;
          most = Math.max(most, atWork);
          setImmediate(() => (atWork -= 1));
          return result();
        }),
      );
      const replies = await Promise.all([1, 2, 3].map(() => node.queueBus.enqueueAndWait('t', 'a', 'e', {})));
      expect(replies).toEqual([reply, reply, reply]);
      expect(await node.wal.counts(0)).toMatchObject({ completed: 3, pending: 0 });
      if (reply === 3) expect(most).toBe(1);
      await node.stop();
    },
  );

  const faults: [string, () => unknown][] = [
    [
      'throws',
      () => ({
        then: () => {
          throw new Error('then');
        },
      }),
    ],
    [
      'cannot even be read',
      () =>
        Object.defineProperty({}, 'then', {
          get: () => {
            throw new Error('getter');
          },
        }),
    ],
  ];
  it.each(faults)('may be a thenable whose then %s: the message fails, the others run (I9)', async (_title, result) => {
    const node = await memoryNode((made) => made.handle('t', 'a', result).handle('t', 'b', () => 'fine'));
    const failing = node.queueBus.enqueueAndWait('t', 'a', 'e', {});
    const others = [1, 2, 3].map((n) => node.queueBus.enqueueAndWait('t', 'b', `f${n}`, {}));
    await expect(failing).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect(await Promise.all(others)).toEqual(['fine', 'fine', 'fine']);
    expect(await node.queueBus.enqueueAndWait('t', 'b', 'e', {})).toBe('fine');
    await node.stop();
  });
});

describe('listeners and loggers', () => {
  it('that fail, also later, harm nothing and are told to the log', async () => {
    const told: string[] = [];
    const failing = (): never => {
      throw new Error('no disk for logs');
    };
    const logger = {
      debug: failing,
      info: failing,
      warn: failing,
      error: (message: string) => {
        told.push(message);
        failing();
      },
    };
    const node = createNode({ config: { wal: { enabled: false } }, logger });
    node.handle('t', 'a', () => 1);
    node.events.on('accepted', () => {
      throw new Error('at once');
    });
    node.events.on('ended', (async () => {
      await Promise.resolve();
      throw new Error('later');
    }) as () => void);
    await node.start();
    expect(await node.queueBus.enqueueAndWait('t', 'a', 'e', {})).toBe(1);
    await new Promise((turn) => setImmediate(turn));
    expect(told).toEqual(['A listener of the event "accepted" threw.', 'A listener of the event "ended" threw.']);
    await node.stop();
  });
});

describe('queries that cause each other', () => {
  it('let the event loop go in between (I9)', async () => {
    let left = 5_000;
    let turns = 0;
    const node = await memoryNode((made) =>
      made.handle(
        't',
        'q',
        () => {
          left -= 1;
          if (left > 0) void made.queueBus.enqueue('t', 'q', 'e', {});
        },
        { kind: 'query' },
      ),
    );
    const count = (): void => {
      turns += 1;
      if (left > 0) setImmediate(count);
    };
    setImmediate(count);
    await node.queueBus.enqueue('t', 'q', 'e', {});
    await node.whenIdle();
    expect(turns).toBeGreaterThanOrEqual(5);
    await node.stop();
  });
});

describe('delayed messages', () => {
  it('that are due together are promoted once each (I9, I10)', async () => {
    const app = await createTestApp({
      config: { maxTotalQueueDepth: 0 },
      setup: (node) => node.handle('t', 'a', () => {}),
    });
    let transitions = 0;
    app.node.events.on('committed', (event) => {
      transitions += event.transitions;
    });
    const runAt = app.node.runtime.clock.now() + 1_000;
    for (let n = 0; n < 2_000; n += 1) void app.bus.enqueue('t', 'a', `e${n}`, {}, { runAt });
    await app.settle();
    transitions = 0;
    await app.advance(5_000);
    expect(await app.node.wal.counts(0)).toMatchObject({ completed: 2_000, pending: 0 });
    // One promote, one dispatch and one completion for each.
    expect(transitions).toBe(6_000);
    await app.stop();
  });

  it('run soon after the wall clock has jumped past their time (M14)', async () => {
    const app = await createTestApp({ setup: (node) => node.handle('t', 'a', () => {}) });
    const hour = 3_600_000;
    void app.bus.enqueue('t', 'a', 'e', {}, { delayMs: 8 * hour });
    await app.settle();
    app.runtime.jumpWallClock(9 * hour);
    await app.advance(1_000);
    expect(await app.node.wal.counts(0)).toMatchObject({ completed: 1 });
    await app.stop();
  });
});
