import { describe, expect, it } from 'vitest';
import { MemoryNetwork, MemoryTransport } from '../../src/cluster/transport/memory/memory-transport.js';
import type { TransportMessage } from '../../src/cluster/transport/transport.js';
import { systemTimers } from '../../src/runtime/timers.js';
import { type TransportFactory, transportContractCases } from '../../src/testing/transport-contract.js';
import { VirtualRuntime } from '../../src/testing/virtual-runtime.js';

const factory: TransportFactory = {
  create: async () => {
    const network = new MemoryNetwork({ timers: systemTimers });
    return {
      transport: async () => new MemoryTransport(network),
      wake: (shard) => network.wake(shard),
      dispose: async () => {},
    };
  },
};

describe('the transport in memory', () => {
  it.each(transportContractCases())('$name', ({ run }) => run(factory));

  it('lets its route delay, lose, double and cut off, per receiver', async () => {
    const runtime = new VirtualRuntime();
    const got: [string, number][] = [];
    const network = new MemoryNetwork({
      timers: runtime.timers,
      route: (from, to, message) => {
        if (from === 'a-1' && to === 'c-1') return [];
        return message.type === 'released' ? [message.shard, 5 * message.shard] : [0];
      },
    });
    const start = async (incarnation: string): Promise<MemoryTransport> => {
      const transport = new MemoryTransport(network);
      await transport.start(incarnation, (message: TransportMessage) => {
        if (message.type === 'released') got.push([incarnation, runtime.clock.monotonic()]);
      });
      return transport;
    };
    const [a, b] = [await start('a-1'), await start('b-1'), await start('c-1')];
    a.send('*', { type: 'released', shard: 10 });
    await runtime.advance(100);
    expect(got).toEqual([
      ['a-1', 10],
      ['b-1', 10],
      ['a-1', 50],
      ['b-1', 50],
    ]);
    b.send('c-1', { type: 'released', shard: 2 });
    await runtime.advance(100);
    expect(got.slice(4)).toEqual([
      ['c-1', 102],
      ['c-1', 110],
    ]);
  });

  it('loses what is on its way to a node that stops', async () => {
    const runtime = new VirtualRuntime();
    const network = new MemoryNetwork({ timers: runtime.timers, route: () => [20] });
    const transport = new MemoryTransport(network);
    const got: TransportMessage[] = [];
    await transport.start('a-1', (message) => got.push(message));
    transport.send('a-1', { type: 'changed' });
    await transport.stop();
    await runtime.advance(100);
    expect(got).toEqual([]);
  });
});
