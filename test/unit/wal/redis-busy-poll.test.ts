import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { BusyPoll } from '../../../src/wal/redis/busy-poll.js';

const BLOCK = 64;

interface Call {
  readonly promise: Promise<void>;
  readonly end: () => void;
  readonly fail: () => void;
}

function call(): Call {
  let end = (): void => {};
  let fail = (): void => {};
  const promise = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = () => reject(new Error('lost'));
  });
  return { promise, end, fail };
}

/** A clock and an event loop that go on by hand. */
class Loop {
  ms = 0;
  readonly turns: (() => void)[] = [];
  readonly storage = new AsyncLocalStorage<string>();
  /** The context in which each turn was asked for. */
  readonly stores: (string | undefined)[] = [];
  readonly poll = new BusyPoll({
    clock: { monotonic: () => this.ms },
    timers: {
      defer: (callback) => {
        this.stores.push(this.storage.getStore());
        this.turns.push(callback);
      },
    },
  });

  turn(): void {
    const due = this.turns.splice(0);
    for (const each of due) each();
  }

  /** One block of calls, one at a time, that take so long while the loop is awake and while it sleeps. */
  async block(polling: number, sleeping: number): Promise<void> {
    for (let n = 0; n < BLOCK; n++) {
      const { promise, end } = call();
      this.poll.follow(promise);
      this.ms += this.turns.length > 0 ? polling : sleeping;
      end();
      await promise;
      this.turn();
    }
  }

  /** Where polling pays. */
  static async awake(): Promise<Loop> {
    const loop = new Loop();
    for (let blocks = 0; blocks < 6; blocks++) await loop.block(0.08, 0.12);
    return loop;
  }
}

describe('busy polling', () => {
  it('does nothing while it has not been found to pay, and where it does not', async () => {
    const loop = new Loop();
    const first = call();
    loop.poll.follow(first.promise);
    expect(loop.turns.length).toBe(0);
    first.end();
    for (let blocks = 0; blocks < 10; blocks++) await loop.block(0.12, 0.12);
    loop.poll.follow(call().promise);
    expect(loop.turns.length).toBe(0);
  });

  it('turns the loop until the call is answered, and no longer', async () => {
    const loop = await Loop.awake();
    const { promise, end } = call();
    loop.poll.follow(promise);
    for (let turns = 0; turns < 5; turns++) {
      expect(loop.turns.length).toBe(1);
      loop.turn();
    }
    end();
    await promise;
    loop.turn();
    expect(loop.turns.length).toBe(0);
  });

  it('ends with a call that fails', async () => {
    const loop = await Loop.awake();
    const { promise, fail } = call();
    loop.poll.follow(promise);
    fail();
    await expect(promise).rejects.toThrow('lost');
    loop.turn();
    expect(loop.turns.length).toBe(0);
  });

  it('gives up 0.6 ms after the call was sent, and begins again with the next', async () => {
    const loop = await Loop.awake();
    const first = call();
    loop.poll.follow(first.promise);
    loop.ms += 0.5;
    loop.turn();
    expect(loop.turns.length).toBe(1);
    loop.ms += 0.2;
    loop.turn();
    expect(loop.turns.length).toBe(0);
    first.end();
    await first.promise;
    loop.poll.follow(call().promise);
    expect(loop.turns.length).toBe(1);
  });

  it('does not poll for several calls at once, nor learn from them', async () => {
    const loop = await Loop.awake();
    const [first, second, third] = [call(), call(), call()];
    loop.poll.follow(first.promise);
    expect(loop.turns.length).toBe(1);
    loop.poll.follow(second.promise);
    loop.turn();
    expect(loop.turns.length).toBe(0);
    first.end();
    await first.promise;
    loop.poll.follow(third.promise);
    expect(loop.turns.length).toBe(0);
    second.end();
    third.end();
    await Promise.all([second.promise, third.promise]);
    const steady = call();
    loop.poll.follow(steady.promise);
    for (let n = 0; n < 10 * BLOCK; n++) {
      const other = call();
      loop.poll.follow(other.promise);
      loop.ms += 2;
      other.end();
      await other.promise;
    }
    steady.end();
    await steady.promise;
    loop.turn();
    loop.poll.follow(call().promise);
    expect(loop.turns.length).toBe(1);
  });

  it('never turns the loop twice at once', async () => {
    const loop = await Loop.awake();
    for (let n = 0; n < 5; n++) {
      const { promise, end } = call();
      loop.poll.follow(promise);
      end();
      await promise;
      expect(loop.turns.length).toBe(1);
    }
  });

  it('holds on to no context of a handler beyond its first turn', async () => {
    const loop = await Loop.awake();
    loop.stores.length = 0;
    loop.storage.run('handler', () => loop.poll.follow(call().promise));
    loop.storage.run('handler', () => loop.turn());
    loop.storage.run('handler', () => loop.turn());
    expect(loop.stores).toEqual(['handler', undefined, undefined]);
  });
});
