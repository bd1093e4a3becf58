/**
 * The contract suite of the transport on a healthy wire, for any adapter and any test runner. A case rejects when the
 * promise of its name is broken. Order is not promised, so it is not checked.
 *
 *     it.each(transportContractCases())('$name', ({ run }) => run(factory));
 */
import assert from 'node:assert/strict';
import type { Transport, TransportMessage } from '../cluster/transport/transport.js';

/** How the suite gets transports: one wire of its own per case. */
export interface TransportFactory {
  create(): Promise<WireUnderTest>;
}

export interface WireUnderTest {
  /** Another transport on the wire, as another node has it; not started. */
  transport(): Promise<Transport>;
  /** Publishes a wake hint as one who is no node. */
  wake(shard: number): void | Promise<void>;
  /** Stops all transports and removes the wire. */
  dispose(): Promise<void>;
}

export interface TransportContractCase {
  readonly name: string;
  readonly run: (factory: TransportFactory) => Promise<void>;
}

export function transportContractCases(): readonly TransportContractCase[] {
  return cases.map(({ name, check }) => ({
    name,
    run: async (factory) => {
      const wire = await factory.create();
      try {
        await check(wire);
      } finally {
        await wire.dispose();
      }
    },
  }));
}

/** A node that keeps what arrives and can be waited for. */
class Listener {
  readonly got: TransportMessage[] = [];
  private heard: () => void = () => {};

  private constructor(
    readonly incarnation: string,
    readonly transport: Transport,
  ) {}

  static async on(wire: WireUnderTest, incarnation: string): Promise<Listener> {
    const listener = new Listener(incarnation, await wire.transport());
    await listener.start();
    return listener;
  }

  async start(): Promise<void> {
    await this.transport.start(this.incarnation, (message) => {
      this.got.push(message);
      this.heard();
    });
  }

  /** When `count` messages have arrived in all. A runner's time limit ends a wait in vain. */
  async messages(count: number): Promise<readonly TransportMessage[]> {
    while (this.got.length < count) {
      await new Promise<void>((resolve) => {
        this.heard = resolve;
      });
    }
    return this.got;
  }
}

const SAMPLES: readonly TransportMessage[] = [
  { type: 'wake', shard: 0 },
  { type: 'released', shard: 4_095 },
  { type: 'changed' },
  { type: 'verdict', id: 'm-1', verdict: { state: 'completed', reply: '{"balance":"ü \\u2028 \\ud83d\\ude00"}' } },
  {
    type: 'verdict',
    id: 'm-2',
    verdict: {
      state: 'failed',
      error: { name: 'RangeError', message: 'no\nmoney', stack: 'at', data: { missing: 3 } },
    },
  },
  { type: 'verdict', id: 'm-3', verdict: { state: 'cancelled' } },
  {
    type: 'ask',
    id: 'q-1',
    replyTo: 'b-1',
    shard: 3,
    entityType: 'account',
    entityId: 'a\n1',
    name: 'GetBalance',
    payload: '{"accountId":"a"}',
    headers: { traceparent: '00-ab' },
  },
  {
    type: 'ask',
    id: 'q-2',
    replyTo: 'b-1',
    shard: 3,
    entityType: 'account',
    entityId: '',
    name: 'GetBalance',
    payload: '{}',
  },
  { type: 'operate', id: 'o-1', replyTo: 'b-1', shard: 3, operation: { type: 'cancel', messageId: 'm-9' } },
  { type: 'operate', id: 'o-2', replyTo: 'b-1', shard: 3, operation: { type: 'pause', entityType: 'account' } },
  {
    type: 'operate',
    id: 'o-3',
    replyTo: 'b-1',
    shard: 3,
    operation: { type: 'purge', entityType: 'account', entityId: 'a-1' },
  },
  { type: 'operated', id: 'o-1', result: true },
  { type: 'operated', id: 'o-3', result: 12 },
  { type: 'operated', id: 'o-4', result: 'm-10' },
  { type: 'operated', id: 'o-5', result: null },
  { type: 'refused', id: 'q-2', code: 'ENTITY_PAUSED', retryable: true, text: 'paused' },
  { type: 'not-here', id: 'q-1' },
];

function sorted(messages: readonly TransportMessage[]): readonly TransportMessage[] {
  return [...messages].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

interface Case {
  readonly name: string;
  readonly check: (wire: WireUnderTest) => Promise<void>;
}

const cases: readonly Case[] = [
  {
    name: 'brings every kind of message to the node that is named, whole, and to nobody else',
    async check(wire) {
      const [a, b, c] = [
        await Listener.on(wire, 'a-1'),
        await Listener.on(wire, 'b-1'),
        await Listener.on(wire, 'c-1'),
      ];
      for (const sample of SAMPLES) a.transport.send('b-1', sample);
      assert.deepEqual(sorted(await b.messages(SAMPLES.length)), sorted(SAMPLES));
      for (const other of [a, c]) {
        a.transport.send(other.incarnation, { type: 'changed' });
        assert.deepEqual(await other.messages(1), [{ type: 'changed' }]);
      }
    },
  },
  {
    name: 'brings a message to all nodes, the sender included',
    async check(wire) {
      const all = [await Listener.on(wire, 'a-1'), await Listener.on(wire, 'b-1')];
      const sample: TransportMessage = { type: 'released', shard: 7 };
      all[0]?.transport.send('*', sample);
      for (const each of all) assert.deepEqual(await each.messages(1), [sample]);
      all[1]?.transport.send('*', { type: 'wake', shard: 9 });
      for (const each of all) assert.deepEqual((await each.messages(2))[1], { type: 'wake', shard: 9 });
    },
  },
  {
    name: 'lets a node send to itself',
    async check(wire) {
      const a = await Listener.on(wire, 'a-1');
      a.transport.send('a-1', { type: 'not-here', id: 'q' });
      assert.deepEqual(await a.messages(1), [{ type: 'not-here', id: 'q' }]);
    },
  },
  {
    name: 'brings a wake hint of anyone to all nodes',
    async check(wire) {
      const all = [await Listener.on(wire, 'a-1'), await Listener.on(wire, 'b-1')];
      await wire.wake(12);
      for (const each of all) assert.deepEqual(await each.messages(1), [{ type: 'wake', shard: 12 }]);
    },
  },
  {
    name: 'does not call the receiver before send has returned',
    async check(wire) {
      const a = await Listener.on(wire, 'a-1');
      a.transport.send('a-1', { type: 'changed' });
      assert.deepEqual(a.got, []);
      await a.messages(1);
    },
  },
  {
    name: 'brings thousands of messages and large ones',
    async check(wire) {
      const [a, b] = [await Listener.on(wire, 'a-1'), await Listener.on(wire, 'b-1')];
      const count = 3_000;
      for (let shard = 0; shard < count; shard += 1) a.transport.send('b-1', { type: 'released', shard });
      const reply = JSON.stringify('x'.repeat(600_000));
      a.transport.send('b-1', { type: 'verdict', id: 'm', verdict: { state: 'completed', reply } });
      const got = await b.messages(count + 1);
      const shards = got.flatMap((message) => (message.type === 'released' ? [message.shard] : []));
      assert.deepEqual(
        shards.sort((x, y) => x - y),
        Array.from({ length: count }, (_, shard) => shard),
      );
      assert.deepEqual(
        got.filter(({ type }) => type === 'verdict'),
        [{ type: 'verdict', id: 'm', verdict: { state: 'completed', reply } }],
      );
    },
  },
  {
    name: 'gives a message as a copy: what the sender changes later does not arrive',
    async check(wire) {
      const a = await Listener.on(wire, 'a-1');
      const headers: Record<string, string> = { k: 'before' };
      const ask = { ...(SAMPLES[6] as Extract<TransportMessage, { type: 'ask' }>), headers };
      a.transport.send('a-1', ask);
      headers['k'] = 'after';
      assert.deepEqual((await a.messages(1))[0], { ...ask, headers: { k: 'before' } });
    },
  },
  {
    name: 'drops what is sent to nobody, before the start and after the stop, without an error',
    async check(wire) {
      const [a, b] = [await Listener.on(wire, 'a-1'), await Listener.on(wire, 'b-1')];
      const idle = await wire.transport();
      idle.send('a-1', { type: 'changed' });
      a.transport.send('nobody', { type: 'changed' });
      await b.transport.stop();
      await b.transport.stop();
      b.transport.send('a-1', { type: 'changed' });
      a.transport.send('b-1', { type: 'changed' });
      a.transport.send('a-1', { type: 'not-here', id: 'last' });
      assert.deepEqual(await a.messages(1), [{ type: 'not-here', id: 'last' }]);
      assert.deepEqual(b.got, []);
    },
  },
  {
    name: 'starts any number of times and hears everything once, also in a new life',
    async check(wire) {
      const [a, b] = [await Listener.on(wire, 'a-1'), await Listener.on(wire, 'b-1')];
      await b.start();
      a.transport.send('b-1', { type: 'released', shard: 1 });
      await b.messages(1);
      await b.transport.stop();
      const again: TransportMessage[] = [];
      let heard = (): void => {};
      const second = new Promise<void>((resolve) => {
        heard = resolve;
      });
      await b.transport.start('b-2', (message) => {
        again.push(message);
        if (again.length === 2) heard();
      });
      a.transport.send('b-1', { type: 'released', shard: 2 });
      a.transport.send('b-2', { type: 'released', shard: 3 });
      a.transport.send('b-2', { type: 'released', shard: 4 });
      await second;
      assert.deepEqual(sorted(again), [
        { type: 'released', shard: 3 },
        { type: 'released', shard: 4 },
      ]);
      assert.deepEqual(b.got, [{ type: 'released', shard: 1 }]);
    },
  },
];
