/** ioredis clients for tests, made as the library makes them: nothing is queued or sent twice. */
import { Cluster, Redis } from 'ioredis';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Ready to use. `close` ends the clients that this maker made. */
export class Clients {
  private readonly made: (Redis | Cluster)[] = [];

  async single({ host, port }: Place): Promise<Redis> {
    const client = new Redis({
      host,
      port,
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => 20,
    });
    client.on('error', () => {});
    this.made.push(client);
    await client.connect();
    return client;
  }

  async cluster(nodes: readonly Place[], { sharded = false } = {}): Promise<Cluster> {
    const client = new Cluster([...nodes], {
      lazyConnect: true,
      enableOfflineQueue: false,
      shardedSubscribers: sharded,
      redisOptions: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
    });
    client.on('error', () => {});
    this.made.push(client);
    await client.connect();
    return client;
  }

  close(): void {
    for (const client of this.made.splice(0)) client.disconnect();
  }
}
