/** `outbox: 'atomic'` on one node: what a handler enqueues becomes durable with its completion, or not at all (M15). */
import { afterEach, describe, expect, it } from 'vitest';
import { currentMessage, outsideMessage } from '../../../src/entity/message-context.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import { type Fate, fate, refusal } from './lab.js';

interface Sent {
  readonly n: number;
}

type Send = (app: TestApp, attempt: number) => unknown;

const CONFIG: AtomicQueuesConfig = {
  entities: {
    source: { outbox: 'atomic', retry: { maxAttempts: 2, backoffDelay: 50, backoff: 'fixed' } },
    small: { outbox: 'atomic', workerMaxQueueDepth: 1 },
  },
};

describe('a handler that sends with its completion', () => {
  let app: TestApp;
  let got: number[];
  let send: Send;

  const begin = async (config: AtomicQueuesConfig = CONFIG): Promise<void> => {
    got = [];
    app = await createTestApp({
      config,
      setup: (node) => {
        for (const type of ['source', 'plain', 'small'])
          node.handle(type, 'Go', (_, { attempt }) => send(app, attempt));
        for (const type of ['target', 'small']) {
          node.handle(type, 'Take', (message) => void got.push((message as Sent).n));
          node.handle(type, 'Ask', () => got.length, { kind: 'query' });
        }
      },
    });
  };
  const go = (how: Send, type = 'source', id = 'a'): Promise<unknown> => {
    send = how;
    return app.drive(app.bus.enqueueAndWait(type, 'Go', id, {}));
  };
  const take = (n: number, id = 't', options = {}) => app.bus.enqueue('target', 'Take', id, { n }, options);

  afterEach(async () => {
    await app.stop();
  });

  it('has its messages in line, in order, when it has completed, in the same commit', async () => {
    await begin();
    app.wal.requests.length = 0;
    await go(async () => {
      await take(1);
      await app.bus.enqueueBulk([]);
      await app.bus.forEntity('target', 't').enqueue('Take', { n: 2 });
      await app.bus.forEntity('target').enqueue('Take', 't', { n: 3 });
      expect(got).toEqual([]);
    });
    const completion = app.wal.requests.flatMap(({ transitions }) => transitions).find((t) => t.type === 'complete');
    expect(completion?.type === 'complete' && completion.outgoing?.length).toBe(3);
    await app.settle();
    expect(got).toEqual([1, 2, 3]);
  });

  it('sends nothing of an attempt that failed', async () => {
    await begin();
    await go(async (_, attempt) => {
      await take(attempt);
      if (attempt === 1) throw new Error('once more');
    });
    await app.settle();
    expect(got).toEqual([2]);
    const failed = go(async () => {
      await take(9);
      throw new Error('for good');
    });
    await expect(failed).rejects.toThrow(/for good/);
    await app.advance(1_000);
    expect(got).toEqual([2]);
  });

  it('sends nothing when the process dies before the completion is in the store', async () => {
    await begin();
    app.wal.fail('commit', { times: 99, accepts: ({ transitions }) => transitions.some((t) => t.type === 'complete') });
    send = () => take(1);
    const waiting: Fate = fate(app.bus.enqueueAndWait('source', 'Go', 'a', {}));
    await app.advance(500);
    expect(waiting.state).toBe('pending');
    app.crash();
    app = await app.restart();
    await app.advance(500);
    expect(got).toEqual([]);
    expect((await app.inspect()).deadLetters).toMatchObject([{ reason: 'interrupted' }]);
  });

  it('sends once when the answer to its completion is lost', async () => {
    await begin();
    app.wal.fail('commit', {
      when: 'after',
      accepts: ({ transitions }) => transitions.some((t) => t.type === 'complete'),
    });
    await go(() => take(1));
    await app.advance(500);
    expect(got).toEqual([1]);
  });

  it('has them after a crash when the completion was in the store', async () => {
    await begin();
    let isDone = false;
    app.wal.fail('commit', {
      when: 'after',
      times: 99,
      accepts: ({ transitions }) => (isDone ||= transitions.some((t) => t.type === 'complete')),
    });
    send = () => take(1);
    fate(app.bus.enqueueAndWait('source', 'Go', 'a', {}));
    await app.advance(300);
    expect(got).toEqual([]);
    app.wal.heal();
    app.crash();
    app = await app.restart();
    await app.advance(500);
    expect(got).toEqual([1]);
    expect((await app.inspect()).deadLetters).toEqual([]);
  });

  it('keeps options: keys, delays and deadlines count from the arrival', async () => {
    await begin();
    let receipts: unknown[] = [];
    await go(async () => {
      receipts = [
        await take(1, 't', { messageId: 'key' }),
        await take(2, 't', { messageId: 'key' }),
        await take(3, 't', { delayMs: 500 }),
        await take(4, 't', { runAt: app.runtime.clock.now() + 300, headers: { trace: 'x' } }),
        await take(5, 'u', { expiresInMs: 10_000 }),
      ];
    });
    expect(new Set(receipts.map((each) => (each as { id: string }).id)).size).toBe(5);
    await app.settle();
    expect(got).toEqual([1, 5]);
    await app.advance(600);
    expect(got).toEqual([1, 5, 4, 3]);
  });

  it('refuses to wait for a message, and says what to do', async () => {
    await begin();
    await go(async () => {
      const refused = await refusal(app.bus.enqueueAndWait('target', 'Take', 't', { n: 1 }));
      expect(refused.code).toBe('DEADLOCK');
      expect(refused.message).toMatch(/would leave only when the handler has completed/);
      expect((await refusal(app.bus.enqueueAndWait('target', 'Ask', 't', {}))).code).toBe('DEADLOCK');
    });
    expect(got).toEqual([]);
  });

  it('refuses what could not be sent, at the call', async () => {
    await begin();
    await go(async () => {
      expect((await refusal(app.bus.enqueue('ghost', 'Take', 't', {}))).code).toBe('UNKNOWN_ENTITY_TYPE');
      expect((await refusal(app.bus.enqueue('target', 'Nope', 't', {}))).code).toBe('UNKNOWN_MESSAGE');
      expect((await refusal(take(1, 't', { delayMs: -1 }))).code).toBe('INVALID_PAYLOAD');
      expect((await refusal(app.bus.enqueue('target', 'Ask', 't', {}))).message).toMatch(/not stored/);
      expect((await refusal(app.bus.enqueue('target', 'Take', 't', { n: 1n }))).code).toBe('INVALID_PAYLOAD');
    });
    await app.settle();
    expect(got).toEqual([]);
  });

  it('takes at most a thousand messages with it', async () => {
    await begin();
    await go(async () => {
      await Promise.all(Array.from({ length: 1_000 }, (_, n) => take(n)));
      expect((await refusal(take(1_000))).code).toBe('PAYLOAD_TOO_LARGE');
    });
    await app.advance(100);
    expect(got).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  });

  it('holds to the limits of the lines it sends to', async () => {
    await begin();
    await go(async () => {
      await app.bus.pause('small', 's');
      await outsideMessage(() => app.bus.enqueue('small', 'Take', 's', { n: 1 }));
      expect((await refusal(app.bus.enqueue('small', 'Take', 's', { n: 2 }))).code).toBe('QUEUE_DEPTH_EXCEEDED');
    });
  });

  it('is closed when the handler has settled: what comes later is refused', async () => {
    await begin();
    let late: Promise<unknown> = Promise.resolve();
    await go(() => {
      late = new Promise<void>((resolve) => app.runtime.timers.set(resolve, 50)).then(() => take(1));
      late.catch(() => {});
    });
    await app.advance(100);
    const refused = await refusal(late);
    expect(refused.code).toBe('INVALID_PAYLOAD');
    expect(refused.message).toMatch(/has settled.*outsideMessage/s);
    expect(got).toEqual([]);
  });

  it('sends at once, whatever becomes of it, what it sends outside of its message', async () => {
    await begin({ entities: { source: { outbox: 'atomic' } } });
    const failed = go(async () => {
      await outsideMessage(() => take(1));
      expect(outsideMessage(() => currentMessage())).toBeUndefined();
      await take(2);
      throw new Error('for good');
    });
    await expect(failed).rejects.toThrow(/for good/);
    await app.settle();
    expect(got).toEqual([1]);
  });

  it('leaves the handlers of other types as they are', async () => {
    await begin();
    const failed = go(async () => {
      await take(1);
      throw new Error('for good');
    }, 'plain');
    await expect(failed).rejects.toThrow(/for good/);
    await app.settle();
    expect(got).toEqual([1]);
  });

  it('sets and forgets reminders with its completion', async () => {
    await begin();
    const entity = () => app.bus.forEntity('target', 't');
    const failed = go(async () => {
      await entity().remind('tick', 'Take', { n: 1 }, { everyMs: 1_000 });
      throw new Error('for good');
    });
    await expect(failed).rejects.toThrow(/for good/);
    await app.advance(1_500);
    expect(got).toEqual([]);
    await go(() => entity().remind('tick', 'Take', { n: 2 }, { everyMs: 1_000 }));
    await app.advance(2_500);
    expect(got).toEqual([2, 2]);
    await go(async () => {
      await entity().forgetReminder('tick');
      await entity().remind('other', 'Take', { n: 3 }, { everyMs: 1_000, times: 1 });
    });
    await app.advance(3_000);
    expect(got).toEqual([2, 2, 3]);
    expect(await app.drive(entity().reminders())).toEqual([]);
  });
});
