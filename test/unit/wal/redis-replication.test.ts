/** A proof by replicas speaks only of the server that has the writes (M10). */
import { describe, expect, it } from 'vitest';
import { TypedEvents } from '../../../src/runtime/typed-events.js';
import type { RedisConnectionsEvents, RedisRole } from '../../../src/wal/redis/connections.js';
import { oneServer } from '../../../src/wal/redis/one-server.js';
import { Replication } from '../../../src/wal/redis/replication.js';
import type { RedisClient } from '../../../src/wal/redis/scripts.js';
import type { ServerIdentity } from '../../../src/wal/redis/server-identity.js';

class Connections {
  readonly events = new TypedEvents<RedisConnectionsEvents>(() => {});
  readonly isCluster = false;
  readonly runIds = new Map<RedisRole, string>();

  identity(role: RedisRole): ServerIdentity {
    return identityOf(this.runIds.get(role));
  }

  lose(role: RedisRole): void {
    this.events.emit('lost', { role, address: 'somewhere' });
  }

  find(role: RedisRole, runId: string): void {
    this.runIds.set(role, runId);
    this.events.emit('ready', { role, identity: identityOf(runId) });
  }
}

function identityOf(runId: string | undefined): ServerIdentity {
  return { address: 'somewhere', readable: true, runId } as ServerIdentity;
}

function waiterThat(duringWait: () => void): RedisClient {
  return {
    publish: async () => 0,
    call: async () => {
      duringWait();
      return 1;
    },
  } as unknown as RedisClient;
}

function connected(): Connections {
  const connections = new Connections();
  connections.find('commit', 'old');
  connections.find('wait', 'old');
  return connections;
}

describe('a proof by replicas', () => {
  it('sends the replicas something of its own first: else WAIT speaks of nothing since Redis 7.2 (M10)', async () => {
    const sent: string[] = [];
    const client = {
      publish: async (...args: readonly string[]) => void sent.push(['PUBLISH', ...args].join(' ')),
      call: async (...args: readonly string[]) => {
        sent.push(args.join(' '));
        return 2;
      },
    } as unknown as RedisClient;
    const replication = new Replication({ client, keyPrefix: 'app', replicas: 2, timeoutMs: 100 });
    await replication.proven();
    expect(sent).toEqual(['PUBLISH app:proof ', 'WAIT 2 100']);
  });

  it('holds while both connections lead to the server that has the writes (M10)', async () => {
    const server = oneServer(connected());
    const replication = new Replication({ client: waiterThat(() => {}), replicas: 1, timeoutMs: 100, server });
    await expect(replication.proven()).resolves.toBeUndefined();
  });

  it('is none when a connection was lost while it waited, though the replicas of the next server answer (M10)', async () => {
    const connections = connected();
    const server = oneServer(connections);
    const promoted = (): void => {
      connections.lose('wait');
      connections.find('wait', 'new');
    };
    const replication = new Replication({ client: waiterThat(promoted), replicas: 1, timeoutMs: 100, server });
    await expect(replication.proven()).rejects.toMatchObject({ applied: 'unknown', recoverable: true });
  });

  it('is none while the two connections lead to different servers, or it is not known where one leads (M10)', async () => {
    const connections = connected();
    const server = oneServer(connections);
    const replication = new Replication({ client: waiterThat(() => {}), replicas: 1, timeoutMs: 100, server });
    connections.lose('wait');
    await expect(replication.proven()).rejects.toMatchObject({ applied: 'unknown' });
    connections.find('wait', 'new');
    await expect(replication.proven()).rejects.toMatchObject({ applied: 'unknown' });
    connections.lose('commit');
    connections.find('commit', 'new');
    await expect(replication.proven()).resolves.toBeUndefined();
  });
});
