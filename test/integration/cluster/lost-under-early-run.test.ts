/** A shard is lost while the commit is on its way that accepts and completes a message: its caller has the answer (I5). */
import { expect, it } from 'vitest';
import type { ActorBinding, ActorCall, ActorInstance } from '../../../src/entity/actor-port.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';
import { ReviewCluster } from './review-cluster.js';

class Listing implements ActorInstance {
  private keptText: string;
  private readonly seen: number[];

  constructor(stored: string | undefined) {
    this.keptText = stored ?? '[]';
    this.seen = JSON.parse(this.keptText) as number[];
  }

  run({ message }: ActorCall): unknown {
    return this.seen.push((message as { n: number }).n);
  }

  snapshot(): string | undefined {
    const text = JSON.stringify(this.seen);
    return text === this.keptText ? undefined : text;
  }

  kept(): void {
    this.keptText = JSON.stringify(this.seen);
  }

  restore(): void {
    this.seen.splice(0, this.seen.length, ...(JSON.parse(this.keptText) as number[]));
  }
}

const actor: ActorBinding = {
  persistence: true,
  stateTtlMs: undefined,
  effects: 'state',
  outbox: 'atomic',
  idleTimeoutMs: 60_000,
  wake: (_type, _id, stored) => new Listing(stored),
};

const run = (): never => {
  throw new Error('An actor runs its messages itself.');
};

it('answers the caller with what the store has taken', async () => {
  const cluster = new ReviewCluster();
  const { node, wal } = cluster.node('one', {
    prepare: (made) => made.addHandler('list', 'Add', { kind: 'command', label: 'Add', run, actor }),
  });
  await cluster.until(node.start());
  await cluster.runtime.advance(100);
  expect(await cluster.until(node.queueBus.enqueueAndWait('list', 'Add', 'a', { n: 1 }))).toBe(1);
  wal.onRenew = () => {
    throw new StoreUnavailableError('cut', 'no', true);
  };
  let isHeld = false;
  wal.onCommit = async (request, go) => {
    if (isHeld || !request.transitions.some(({ type }) => type === 'append')) return go();
    isHeld = true;
    const answer = await go();
    await cluster.pass(20_000);
    wal.onRenew = undefined;
    return answer;
  };
  const answer = node.queueBus.enqueueAndWait('list', 'Add', 'a', { n: 2 }, { timeoutMs: 0 });
  await cluster.runtime.advance(120_000);
  expect(await wal.actorStates(0, [{ entityType: 'list', entityId: 'a' }])).toEqual(['[1,2]']);
  expect(await answer).toBe(2);
  await cluster.stop();
});
