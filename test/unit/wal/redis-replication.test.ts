/** A proof by replicas speaks only of the server that has the writes, and of one socket to it (M10). */
import type { Cluster, Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { type Evidence, evidenceOfOffers } from '../../../src/wal/redis/evidence.js';
import { shardKeys } from '../../../src/wal/redis/keys.js';
import { lateClient } from '../../../src/wal/redis/late-client.js';
import { addressOfRedirection, redirectionIn } from '../../../src/wal/redis/redirection.js';
import { Replication } from '../../../src/wal/redis/replication.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';

const UNPROVEN = { name: 'StoreUnavailableError', applied: 'unknown', recoverable: true };
const SOMETHING: Evidence = { key: '{aq:0}:meta', fields: [['number', 'is', '7']] };

/** A connection whose server answers as it is told. */
class Connection {
  status = 'ready';
  stream: object = {};
  readonly options = { host: 'h', port: 1 };
  readonly sent: string[] = [];
  /** What the check finds, and how many replicas there are. */
  check: () => number = () => 1;
  wait: () => number | Promise<number> = () => 1;

  async eval(_: string, keys: number, ...rest: readonly string[]): Promise<number[]> {
    this.sent.push(`CHECK ${rest.join(' ')}`);
    return Array.from({ length: keys }, () => this.check());
  }

  async asking(): Promise<void> {
    this.sent.push('ASKING');
  }

  async call(...args: readonly string[]): Promise<number> {
    this.sent.push(args.join(' '));
    return this.wait();
  }

  get redis(): Redis {
    return this as unknown as Redis;
  }
}

function replicationOn(connection: Connection): Replication {
  return new Replication({ client: connection.redis, replicas: 1, timeoutMs: 100 });
}

/** A connection in the way that a node has it: from the moment on when the node stops, there is none. */
function stoppable(connection: Connection): { readonly replication: Replication; stop(): void } {
  let isStopped = false;
  const client = lateClient(
    {
      client: () => {
        if (isStopped) throw new StoreUnavailableError('There is no connection for wait.', 'no', true);
        return connection.redis;
      },
    },
    'wait',
  );
  const replication = new Replication({ client, replicas: 1, timeoutMs: 100 });
  return { replication, stop: () => (isStopped = true) };
}

describe('a proof by replicas', () => {
  it('ends for all who wait when the node stops, also for those who wait for the next round', async () => {
    const connection = new Connection();
    const { replication, stop } = stoppable(connection);
    let lose = (): void => {};
    connection.wait = () => new Promise((_, reject) => (lose = () => reject(new Error('Connection is closed.'))));
    const asked = [replication.proven(SOMETHING), replication.proven(SOMETHING)];
    const settled = Promise.allSettled(asked);
    stop();
    connection.status = 'end';
    lose();
    for (const end of await settled) expect(end).toMatchObject({ status: 'rejected', reason: UNPROVEN });
  });

  it('that cannot be asked for leaves what was applied unproven, not undone (I1, M10)', async () => {
    const { replication, stop } = stoppable(new Connection());
    stop();
    await expect(replication.proven(SOMETHING)).rejects.toMatchObject(UNPROVEN);
  });

  it('ends with its round, whatever that fails with, and is made by the next one', async () => {
    const connection = new Connection();
    const replication = replicationOn(connection);
    const send = connection.eval.bind(connection);
    connection.eval = () => {
      throw new StoreUnavailableError('planned by the test', 'no', true);
    };
    await expect(replication.proven(SOMETHING)).rejects.toMatchObject(UNPROVEN);
    connection.eval = send;
    await replication.proven(SOMETHING);
  });

  it('has the server look for the write first, and then for its replicas (M10)', async () => {
    const connection = new Connection();
    await replicationOn(connection).proven(SOMETHING);
    expect(connection.sent).toEqual(['CHECK {aq:0}:meta 1 number is 7', 'WAIT 1 100']);
  });

  it('is none where the server lacks the write, though its replicas answer (M9, M10)', async () => {
    const connection = new Connection();
    connection.check = () => 0;
    const error = await replicationOn(connection)
      .proven(SOMETHING)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ ...UNPROVEN, message: expect.stringContaining('does not have what was written') });
  });

  it('is none when too few replicas have it, or the connection was lost meanwhile (M10)', async () => {
    const connection = new Connection();
    const replication = replicationOn(connection);
    connection.wait = () => 0;
    await expect(replication.proven(SOMETHING)).rejects.toMatchObject(UNPROVEN);
    connection.wait = () => {
      // Another socket: another server may have answered.
      connection.stream = {};
      return 1;
    };
    await expect(replication.proven(SOMETHING)).rejects.toMatchObject(UNPROVEN);
    connection.status = 'reconnecting';
    await expect(replication.proven(SOMETHING)).rejects.toMatchObject(UNPROVEN);
    connection.status = 'ready';
    connection.wait = () => 1;
    await replication.proven(SOMETHING);
  });

  it('is one round for all who asked while another one was under way', async () => {
    const connection = new Connection();
    const replication = replicationOn(connection);
    let answer: (reached: number) => void = () => {};
    connection.wait = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const first = replication.proven(SOMETHING);
    const others = [1, 2, 3].map(() => replication.proven(SOMETHING));
    connection.wait = () => 1;
    answer(1);
    await Promise.all([first, ...others]);
    expect(connection.sent.map((text) => text.split(' ')[0])).toEqual([...['CHECK', 'WAIT'], ...['CHECK', 'WAIT']]);
  });

  it('looks for many writes with several scripts and one WAIT, and each hears of its own (M3)', async () => {
    const connection = new Connection();
    const replication = replicationOn(connection);
    const first = replication.proven(SOMETHING);
    const keys = Array.from({ length: 450 }, (_, shard) => shardKeys('aq', shard).meta);
    let looked = 0;
    connection.check = () => (++looked === 333 ? 0 : 1);
    const all = await Promise.allSettled(keys.map((key) => replication.proven({ ...SOMETHING, key })));
    await first;
    expect(all.flatMap(({ status }, index) => (status === 'rejected' ? [index + 1] : []))).toEqual([333]);
    expect(connection.sent.map((text) => text.split(' ')[0]).slice(2)).toEqual(['CHECK', 'CHECK', 'CHECK', 'WAIT']);
  });

  it('fails for one without failing for the others of its round', async () => {
    const connection = new Connection();
    const replication = replicationOn(connection);
    const first = replication.proven(SOMETHING);
    let checks = 0;
    connection.check = () => (++checks === 1 ? 0 : 1);
    const [lost, there] = await Promise.allSettled([replication.proven(SOMETHING), replication.proven(SOMETHING)]);
    await first;
    expect([lost.status, there.status]).toEqual(['rejected', 'fulfilled']);
  });
});

describe('what a server of a Cluster says of the place of a key', () => {
  it('is read from its answer', () => {
    const read = (message: string): unknown => redirectionIn(new Error(message));
    expect(read('MOVED 3999 127.0.0.1:6381')).toEqual({ kind: 'moved', host: '127.0.0.1', port: 6381 });
    expect(read('ASK 3999 ::1:6381')).toEqual({ kind: 'ask', host: '::1', port: 6381 });
    expect(read('MOVED 3999 :6381')).toEqual({ kind: 'moved', host: '', port: 6381 });
    expect(read('ERR MOVED 3999 a:1')).toBeUndefined();
    expect(redirectionIn(undefined)).toBeUndefined();
  });

  it('becomes the address at which this client reaches it', () => {
    const from = new Connection().redis;
    const to = { kind: 'moved', host: '10.0.0.1', port: 2 } as const;
    const address = (natMap: unknown, told: typeof to | { host: ''; port: 2; kind: 'ask' } = to): string =>
      addressOfRedirection({ options: { natMap } } as unknown as Cluster, from, told);
    expect(address(undefined)).toBe('10.0.0.1:2');
    expect(address(undefined, { kind: 'ask', host: '', port: 2 })).toBe('h:2');
    expect(address({ '10.0.0.1:2': { host: 'outside', port: 9 } })).toBe('outside:9');
    expect(address({ '10.0.0.2:2': { host: 'outside', port: 9 } })).toBe('10.0.0.1:2');
    expect(address(() => null)).toBe('10.0.0.1:2');
  });
});

describe('the evidence of offers', () => {
  it('is the highest number of each session, whatever its name (M11)', () => {
    const keys = shardKeys('aq', 0);
    const offers = [
      { session: 's', number: 2 },
      { session: 's', number: 1 },
      { session: '\ud800', number: 5 },
    ];
    expect(evidenceOfOffers(keys, offers)).toEqual({
      key: keys.offered,
      fields: [
        ['s', 'least', '2'],
        ['\uf8f0d800', 'least', '5'],
      ],
    });
  });
});
