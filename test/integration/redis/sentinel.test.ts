/**
 * Nodes behind real Sentinels: they go on by themselves after a promotion, and what that may cost is what the page says. And
 * what is said when the Sentinels lead nowhere.
 */
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { type AtomicQueuesConfig, resolveConfig } from '../../../src/runtime/config.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { RedisConnections } from '../../../src/wal/redis/connections.js';
import { certificate, RedisServer, SentinelSet, serverHasTls, until } from '../../redis/harness.mjs';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function sentinels(options: Parameters<typeof SentinelSet.start>[0] = {}): Promise<SentinelSet> {
  const set = await SentinelSet.start(options);
  endings.push(() => set.dispose());
  return set;
}

const ENTITIES = 12;
/** More than a promotion takes on a machine that is busy with other tests. */
const PATIENCE_MS = 50_000;
/** Long enough for a server that had to wait for its turn: it must not be taken for one that is down. */
const DOWN_AFTER_MS = 1_500;

/** What was acknowledged and what has run, as the callers and the handlers saw it. */
class Ledger {
  readonly acknowledged: { readonly name: string; readonly id: string; readonly at: number }[] = [];
  readonly runs: { readonly entity: string; readonly n: number; readonly at: number }[] = [];
  #stopped = false;

  handler(message: { readonly entity: string; readonly n: number }): number {
    this.runs.push({ ...message, at: performance.now() });
    return message.n;
  }

  /** Sends 1, 2, 3 … to one entity, each when the one before is acknowledged; what is refused is sent again. */
  async send({ queueBus }: AtomicQueuesNode, entity: string): Promise<void> {
    for (let n = 1; !this.#stopped; n += 1) {
      const name = `${entity}-${n}`;
      const { id } = await until(
        `${name} to be acknowledged`,
        () => queueBus.enqueue('account', 'add', entity, { entity, n }, { messageId: name }),
        { timeoutMs: PATIENCE_MS },
      );
      this.acknowledged.push({ name, id, at: performance.now() });
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every entity has run something that was begun after now. */
  async goesOn(): Promise<void> {
    const from = performance.now();
    await until(
      'every entity to go on',
      () => new Set(this.runs.filter(({ at }) => at > from).map(({ entity }) => entity)).size === ENTITIES,
      { timeoutMs: PATIENCE_MS },
    );
  }

  /** What ran more than once, with the time of its first run. */
  get doubled(): { readonly name: string; readonly at: number }[] {
    const firsts = new Map<string, number>();
    return this.runs.flatMap(({ entity, n, at }) => {
      const name = `${entity}-${n}`;
      const first = firsts.get(name);
      if (first === undefined) firsts.set(name, at);
      return first === undefined ? [] : [{ name, at: first }];
    });
  }

  /** Runs behind a later one of their entity. */
  get overtaken(): string[] {
    const last = new Map<string, number>();
    return this.runs.flatMap(({ entity, n }) => {
      const isLate = n < (last.get(entity) ?? 0);
      last.set(entity, n);
      return isLate ? [`${entity}-${n}`] : [];
    });
  }
}

interface World {
  readonly set: SentinelSet;
  readonly ledger: Ledger;
  readonly nodes: readonly AtomicQueuesNode[];
  /** Stops the load, waits for what was accepted, and tells what was acknowledged and neither ran nor is a dead letter. */
  end(): Promise<{ readonly lost: { readonly name: string; readonly at: number }[] }>;
}

/** Two nodes that share the work, and callers on both. */
async function underLoad(set: SentinelSet, durability: 'async' | 'replicated(1)'): Promise<World> {
  const ledger = new Ledger();
  const nodes = ['one', 'two'].map((serverId) => {
    const node = createNode({
      config: {
        redis: { sentinels: set.nodes, name: set.name },
        store: { durability },
        cluster: { serverId },
      },
    });
    node.handle('account', 'add', (message) => ledger.handler(message as { entity: string; n: number }));
    endings.push(() => node.stop());
    return node;
  });
  const bothOwn = nodes.map((node) => node.events.once('shardOpened'));
  await Promise.all(nodes.map((node) => node.start()));
  await Promise.all(bothOwn);
  const callers = Promise.all(
    Array.from({ length: ENTITIES }, (_, index) => ledger.send(nodes[index % 2]!, `e${index}`)),
  );
  // It is awaited at the end, if the test comes that far.
  callers.catch(() => {});
  endings.push(() => ledger.stop());
  await ledger.goesOn();
  return {
    set,
    ledger,
    nodes,
    end: async () => {
      ledger.stop();
      await callers;
      const [one] = nodes;
      if (one === undefined) throw new Error('There is no node');
      // The last of each line: what was accepted before it has ended.
      const last = { n: Number.MAX_SAFE_INTEGER };
      await Promise.all(
        Array.from({ length: ENTITIES }, (_, index) => `e${index}`).map((entity) =>
          until(`the end of ${entity}`, () =>
            one.queueBus.enqueueAndWait('account', 'add', entity, { entity, ...last }, { messageId: `${entity}-end` }),
          ),
        ),
      );
      // The former primary breaks its connections off once it is told that it is none, also after the nodes have gone on.
      const { letters } = await until('the dead letters', () => one.deadLetters.list({ limit: 1_000 }));
      const ran = new Set(ledger.runs.map(({ entity, n }) => `${entity}-${n}`));
      const dead = new Set(letters.map(({ id }) => id));
      return { lost: ledger.acknowledged.filter(({ name, id }) => !ran.has(name) && !dead.has(id)) };
    },
  };
}

/** One promotion: resolves when the nodes work with the new primary, with how long that took after it was one. */
async function promotion(
  { set, ledger }: World,
  from: RedisServer,
  begin: () => Promise<void>,
  { demote = false } = {},
) {
  const beganAt = performance.now();
  await begin();
  const primary = await set.failedOver({ from });
  const promotedAt = performance.now();
  if (demote) {
    // The Sentinels do it as well, after they have looked at it for some ten seconds.
    await from.start();
    await from.replicate(primary);
  }
  await ledger.goesOn();
  return { primary, beganAt, tookMs: performance.now() - promotedAt };
}

describe('nodes behind Sentinels', () => {
  it('lose, double and reorder nothing through promotions, with replicated(1) (I1, I2, I4, M10)', async () => {
    const world = await underLoad(await sentinels({ downAfterMs: DOWN_AFTER_MS }), 'replicated(1)');
    const { set, ledger } = world;
    const ordered = await promotion(world, set.primary, () => set.failOver(), { demote: true });
    expect(ordered.primary.port).toBe(set.replica.port);
    const killed = await promotion(world, ordered.primary, () => ordered.primary.kill(), { demote: true });
    expect(killed.primary.port).toBe(set.primary.port);
    for (const { tookMs } of [ordered, killed]) expect(tookMs).toBeLessThan(15_000);
    const { lost } = await world.end();
    expect({ lost, doubled: ledger.doubled, overtaken: ledger.overtaken }).toEqual({
      lost: [],
      doubled: [],
      overtaken: [],
    });
  }, 150_000);

  it.each<readonly [string, (set: SentinelSet) => Promise<void>]>([
    ['is killed', (set) => set.primary.kill()],
    ['is replaced by SENTINEL FAILOVER', (set) => set.failOver()],
  ])(
    'go on within seconds when the primary %s, and async loses only what no replica had (M8, M9)',
    async (_, begin) => {
      const world = await underLoad(await sentinels({ replicas: 2, downAfterMs: DOWN_AFTER_MS }), 'async');
      const { set, ledger } = world;
      const { beganAt, tookMs } = await promotion(world, set.primary, () => begin(set));
      expect(tookMs).toBeLessThan(15_000);
      const { lost } = await world.end();
      // A replica that is well is behind by far less. The old primary took writes until it was told that it is none.
      const early = ({ at }: { readonly at: number }): boolean => at < beganAt - 500;
      expect({ lost: lost.filter(early), doubled: ledger.doubled.filter(early) }).toEqual({ lost: [], doubled: [] });
      // What ran again is what the new primary does not know to have started; each line went back once at most.
      const goings = new Map<string, number>();
      for (const id of ledger.overtaken) {
        const [entity = ''] = id.split('-');
        goings.set(entity, (goings.get(entity) ?? 0) + 1);
      }
      expect([...goings.values()].filter((times) => times > 1)).toEqual([]);
    },
    120_000,
  );
});

/** What connecting fails with, in time. */
async function refusal(redis: AtomicQueuesConfig['redis'], startTimeoutMs = 3_000) {
  const resolved = resolveConfig({ redis }).redis!;
  const connections = new RedisConnections({ redis: resolved, runtime: systemRuntime, startTimeoutMs });
  endings.push(() => connections.stop());
  const startedAt = performance.now();
  const failure = await connections.start().catch((error: unknown) => error);
  expect(performance.now() - startedAt).toBeLessThan(startTimeoutMs + 1_000);
  expect(failure).toBeInstanceOf(Error);
  return failure as Error & { readonly code?: string };
}

describe.skipIf(!serverHasTls())('Sentinels with TLS, if the server at hand was built with it', () => {
  it('are reached with redis.sentinelTLS, and say what is wrong with it', async () => {
    const set = await sentinels({ sentinelTls: true });
    const to = (sentinelTLS: object | undefined) => ({ sentinels: set.tlsNodes, name: set.name, sentinelTLS });
    const connections = new RedisConnections({
      redis: resolveConfig({ redis: to({ ca: certificate('ca.crt') }) }).redis!,
      runtime: systemRuntime,
    });
    endings.push(() => connections.stop());
    await connections.start();
    expect(connections.identity('commit')?.address).toBe(`127.0.0.1:${set.primary.port}`);
    const untrusted = await refusal(to({}), 1_000);
    expect(untrusted.message).toMatch(
      /no Sentinel answers: .*certificate that is trusted here \(redis\.sentinelTLS\)\?/,
    );
    const without = await refusal(to(undefined), 1_000);
    expect(without.message).toMatch(/no Sentinel answers: .*without TLS \(redis\.sentinelTLS\)\?/);
  });
});

describe('Sentinels that lead nowhere', () => {
  it('are told apart: name, passwords of both, nobody there', async () => {
    const set = await sentinels({ server: { password: 'of-servers' }, sentinelPassword: 'of-sentinels' });
    const right = {
      sentinels: set.nodes,
      name: set.name,
      password: 'of-servers',
      sentinelPassword: 'of-sentinels',
    };
    const { password: _, ...withoutPassword } = right;
    const { sentinelPassword: __, ...withoutSentinelPassword } = right;
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ ...right, name: 'nobody' }, /know no primary that is called "nobody" \(redis\.name\)/],
      [withoutSentinelPassword, /Sentinels want a password, and none is set \(redis\.sentinelPassword\)/],
      [
        { ...right, sentinelPassword: 'wrong' },
        /Sentinels refuse the user name or password \(redis\.sentinelUsername, redis\.s/,
      ],
      [withoutPassword, /Redis "mymaster" .* wants a password, and none is set \(redis\.password\)/],
      [
        { ...right, password: 'wrong' },
        /Redis "mymaster" .* refuses the user name or password \(redis\.username, redis\.p/,
      ],
    ];
    for (const [redis, words] of cases) {
      const failure = await refusal(redis);
      expect(failure.message).toMatch(words);
      expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(failure.message).not.toMatch(/of-servers|of-sentinels|wrong/);
    }
    const resolved = resolveConfig({ redis: right }).redis!;
    const connections = new RedisConnections({ redis: resolved, runtime: systemRuntime });
    await connections.start();
    expect(await connections.client('commit').set('a', '1')).toBe('OK');
    await connections.stop();

    await set.stopSentinels();
    const nobody = await refusal(right, 1_000);
    expect(nobody).toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    expect(nobody.message).toMatch(/^Redis "mymaster" of the Sentinels at 127.*within 1000 ms: no Sentinel answers/);
    for (const { port } of set.nodes) expect(nobody.message).toContain(`to sentinel 127.0.0.1:${port}`);
  }, 60_000);

  it.each([
    ['does not know the name', '*-1\r\n'],
    ['wants a password', '-NOAUTH Authentication required.\r\n'],
  ])('are not to blame for a primary that is away, when only one of them %s', async (_, strange) => {
    const { port } = await talking('');
    await endings.pop()?.();
    const leads = `*2\r\n$9\r\n127.0.0.1\r\n$${String(port).length}\r\n${port}\r\n`;
    const failure = await refusal(
      {
        sentinels: [await talking(strange), await talking(leads), await talking(leads)],
        name: 'mymaster',
      },
      1_500,
    );
    expect(failure).toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    expect(failure.message).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
  });

  it('are waited for while some of them are away, although one knows no primary', async () => {
    const away = await talking('');
    await endings.pop()?.();
    const failure = await refusal({ sentinels: [await talking('*-1\r\n'), away], name: 'mymaster' }, 1_000);
    expect(failure).toMatchObject({ name: 'StoreUnavailableError', recoverable: true });
    expect(failure.message).toMatch(/no Sentinel answers with a primary: .*know no primary that is called "mymaster"/);
    expect(failure.message).toContain(`${away.port}`);
  });

  it('lead to the primary as soon as one that was away is back, although another one knows none', async () => {
    const server = await RedisServer.start({ appendonly: 'no' });
    endings.push(() => server.dispose());
    const away = await talking('');
    await endings.pop()?.();
    const sentinels = [await talking('*-1\r\n'), away];
    const { redis } = resolveConfig({ redis: { sentinels, name: 'mymaster' } });
    let failed: (line: string) => void = () => {};
    const hasFailed = new Promise<string>((resolve) => {
      failed = resolve;
    });
    const logger = { ...silentLogger, debug: (line: string) => failed(line) };
    const connections = new RedisConnections({ redis: redis!, runtime: systemRuntime, logger });
    const started = connections.start();
    expect(await hasFailed).toContain('know no primary');
    const port = `${server.port}`;
    await talking(`*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`, away.port);
    await started;
    expect(await connections.client('commit').set('a', '1')).toBe('OK');
    await connections.stop();
  });
});

/** What takes itself for a Sentinel, and says this to whoever asks for the primary. */
async function talking(answer: string, at = 0): Promise<{ readonly host: string; readonly port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const command of data.toString().split(/(?=\*\d+\r\n)/)) {
        if (/get-master-addr-by-name/i.test(command)) socket.write(answer);
        else socket.write(/\r\nsentinels\r\n/i.test(command) ? '*0\r\n' : '+OK\r\n');
      }
    });
  });
  endings.push(() => new Promise((resolve) => server.close(resolve)));
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}
