/** Two nodes that share a store share the work, in one process and in virtual time. */
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { MemoryClusterState, MemoryClusterStore } from '../../../src/cluster/memory-cluster-store.js';
import { MemoryNetwork, MemoryTransport } from '../../../src/cluster/transport/memory/memory-transport.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';

class Cluster {
  readonly runtime = new VirtualRuntime({ seed: 7 });
  readonly store = new MemoryStore({ shardCount: 16 });
  readonly state = new MemoryClusterState();
  readonly network = new MemoryNetwork({ timers: this.runtime.timers });
  readonly nodes: AtomicQueuesNode[] = [];
  readonly ran: string[] = [];

  node(serverId: string, handles = true): AtomicQueuesNode {
    const { runtime } = this;
    const node = createNode({
      runtime,
      config: { redis: 'redis://simulated', cluster: { serverId } },
      shared: {
        wal: new MemoryWal({ clock: runtime.clock, store: this.store, defersAppends: true }),
        store: new MemoryClusterStore({ state: this.state }),
        transport: new MemoryTransport(this.network),
      },
    });
    if (handles) {
      node.handle('account', 'add', (message, { entityId }) => {
        this.ran.push(`${serverId}:${entityId}:${JSON.stringify(message)}`);
        return { by: serverId, message };
      });
      node.handle('account', 'get', () => ({ by: serverId }), { kind: 'query' });
    }
    this.nodes.push(node);
    return node;
  }

  async until<T>(promise: Promise<T>, limitMs = 20_000): Promise<T> {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    for (let passedMs = 0; !done && passedMs < limitMs; passedMs += 10) await this.runtime.advance(10);
    await this.runtime.settle();
    if (!done) throw new Error(`Nothing after ${limitMs} ms of virtual time.`);
    return promise;
  }
}

describe('two nodes on one store', () => {
  let cluster: Cluster;
  afterEach(async () => {
    for (const node of cluster.nodes) await cluster.until(node.stop());
    expect(cluster.runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('share the shards and answer callers on either node (I3, I5)', async () => {
    cluster = new Cluster();
    const [one, two] = [cluster.node('one'), cluster.node('two')];
    await cluster.until(Promise.all([one.start(), two.start()]));
    await cluster.runtime.advance(5_000);
    const replies = await cluster.until(
      Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 === 0 ? one : two).queueBus.enqueueAndWait<{ by: string }>('account', 'add', `a${index}`, {
            index,
          }),
        ),
      ),
    );
    expect(new Set(replies.map(({ by }) => by))).toEqual(new Set(['one', 'two']));
    expect(cluster.ran).toHaveLength(40);
    const asked = await cluster.until(
      Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          two.queueBus.enqueueAndWait<{ by: string }>('account', 'get', `a${index}`, {}),
        ),
      ),
    );
    expect(new Set(asked.map(({ by }) => by))).toEqual(new Set(['one', 'two']));
  });

  it('goes on where a crashed node stopped', async () => {
    cluster = new Cluster();
    const [one, two] = [cluster.node('one'), cluster.node('two')];
    await cluster.until(Promise.all([one.start(), two.start()]));
    await cluster.runtime.advance(5_000);
    const stopping = one.stop();
    await cluster.until(stopping);
    const replies = await cluster.until(
      Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          two.queueBus.enqueueAndWait<{ by: string }>('account', 'add', `a${index}`, {}),
        ),
      ),
    );
    expect(new Set(replies.map(({ by }) => by))).toEqual(new Set(['two']));
  });
});
