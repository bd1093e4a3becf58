import { describe, expect, it } from 'vitest';
import { type AtomicQueuesConfig, resolveConfig } from '../../../src/runtime/config.js';
import { isAtomicQueuesError } from '../../../src/runtime/error.js';
import { nearestName } from '../../../src/runtime/nearest-name.js';

function problemsOf(config: unknown): readonly string[] {
  try {
    resolveConfig(config as AtomicQueuesConfig);
  } catch (error) {
    if (isAtomicQueuesError(error, 'CONFIG_INVALID')) {
      const problems = error.details?.['problems'] as readonly string[];
      for (const problem of problems) expect(error.message).toContain(problem);
      return problems;
    }
    throw error;
  }
  return [];
}

describe('resolveConfig', () => {
  it('fills in every documented default', () => {
    const { entityType, ...config } = resolveConfig({});
    const retry = { maxAttempts: 1, backoff: 'exponential', backoffDelay: 1_000, maxDelay: 30_000 };
    expect(config).toEqual({
      redis: undefined,
      cluster: undefined,
      store: { path: 'atomic-queues.db', durability: 'commit', driver: undefined },
      entities: {},
      keyPrefix: 'aq',
      maxTotalWorkers: 10_000,
      maxResidentActors: 10_000,
      maxTotalQueueDepth: 100_000,
      maxRunningHandlers: 0,
      replyTimeout: 5_000,
      retry,
      wal: { enabled: true, cleanupInterval: 5_000, entryTTL: 86_400, verdictsMax: 1_000_000 },
      registry: {
        enabled: true,
        serviceName: 'default',
        schemaValidation: true,
        heartbeatInterval: 10_000,
        registrationTTL: 30,
      },
      payloadBytesMax: 1_048_576,
      payloadDepthMax: 100,
      residentBytesMax: 67_108_864,
      residentPlacesMax: 4_000_000,
      shutdownTimeout: 10_000,
      verbose: false,
    });
    expect(entityType('never-listed')).toEqual({
      defaultEntityId: undefined,
      onInterrupt: 'dead-letter',
      maxInterruptions: 3,
      onFailure: 'dead-letter',
      outbox: undefined,
      workerIdleTimeout: 30_000,
      workerMaxQueueDepth: 0,
      replyTimeout: 5_000,
      handlerTimeout: 0,
      retry,
      dispatchAhead: 1,
      queries: 'volatile',
      deadLettersMax: 1_000_000,
    });
    expect(resolveConfig().keyPrefix).toBe('aq');
  });

  it('lets a type inherit what it does not say, field by field', () => {
    const config = resolveConfig({
      replyTimeout: 700,
      retry: { maxAttempts: 3, backoff: 'exponential' },
      wal: { cleanupInterval: 100 },
      entities: {
        account: { retry: { maxAttempts: 5, backoff: undefined } },
        order: { replyTimeout: 9, onFailure: 'dead-letter' },
      },
    });
    expect(config.entityType('account')).toMatchObject({
      replyTimeout: 700,
      retry: { maxAttempts: 5, backoff: 'exponential', backoffDelay: 1_000 },
    });
    expect(config.entityType('order')).toMatchObject({ replyTimeout: 9, retry: { maxAttempts: 3 } });
    expect(config.entityType('other')).toMatchObject({ replyTimeout: 700, retry: { maxAttempts: 3 } });
    expect(config.entityType('toString').replyTimeout).toBe(700);
    expect(config.wal).toEqual({ enabled: true, cleanupInterval: 100, entryTTL: 86_400, verdictsMax: 1_000_000 });
    expect(config.entityType('account')).toBe(config.entities['account']);
    expect(config.entityType('one')).toBe(config.entityType('two'));
  });

  it('is frozen all through, except for a custom driver', () => {
    const driver = { open: { times: 0 } };
    const input = { store: { driver }, entities: { account: {} } };
    const config = resolveConfig(input);
    expect(config.store.driver).toBe(driver);
    for (const part of [config, config.store, config.wal, config.retry, config.entities])
      expect(Object.isFrozen(part)).toBe(true);
    for (const type of ['account', 'other']) {
      expect(Object.isFrozen(config.entityType(type))).toBe(true);
      expect(Object.isFrozen(config.entityType(type).retry)).toBe(true);
    }
    for (const part of [driver, driver.open, input, input.store, input.entities.account])
      expect(Object.isFrozen(part)).toBe(false);
    const factory = (): object => ({});
    expect(resolveConfig({ store: { driver: factory } }).store.driver).toBe(factory);
  });

  it('takes undefined for every option as not given', () => {
    expect(
      problemsOf({
        redis: undefined,
        verbose: undefined,
        store: undefined,
        wal: undefined,
        entities: { a: { outbox: undefined } },
      }),
    ).toEqual([]);
    expect(resolveConfig({ store: { durability: undefined } }).store.path).toBe('atomic-queues.db');
    expect(resolveConfig({ wal: { enabled: undefined } }).wal.enabled).toBe(true);
  });

  it('names a service after its group, and refuses a registration that ends between two signs of life', () => {
    expect(resolveConfig({ redis: {}, cluster: { serviceGroup: 'shop' } }).registry.serviceName).toBe('shop');
    expect(resolveConfig({ redis: {}, registry: { serviceName: 'till' } }).registry.serviceName).toBe('till');
    expect(problemsOf({ registry: { registrationTTL: 10 } })).toEqual([
      'registry.registrationTTL (10 s) is not longer than registry.heartbeatInterval (10000 ms); a service would be gone between two signs of life.',
    ]);
    expect(problemsOf({ registry: { serviceName: 'a b', ttl: 3 } as never })).toHaveLength(2);
  });

  it('refuses a store path that is there without a value, which would put messages into another file', () => {
    const [problem, ...others] = problemsOf({ store: { path: undefined, durability: 'fsync' } });
    expect(problem).toContain('store.path is undefined; is an environment variable missing?');
    expect(others).toEqual([]);
    expect(problemsOf({ store: { path: undefined }, registry: { enabled: 1 } })).toHaveLength(2);
    expect(resolveConfig({ store: {} }).store.path).toBe('atomic-queues.db');
  });

  it('lists every problem at once, each with path, value and what is expected', () => {
    const problems = problemsOf({
      maxTotalWorkers: -1,
      replyTimeout: '5s',
      verbose: 1,
      keyPrefix: 'a b',
      payloadBytesMax: 0,
      store: { durability: 'always' },
      retry: { maxAttempts: 1.5, backoff: 'linear' },
      wal: 'off',
      entities: {
        account: { dispatchAhead: 2000, handlerTimeout: Number.NaN, onInterrupt: 'ignore', retry: { maxDelay: null } },
        'bad:type': {},
      },
    });
    expect(problems).toHaveLength(14);
    const text = problems.join('\n');
    for (const words of [
      'maxTotalWorkers is -1; expected a whole number of workers from 0 to 1000000000 (0: unbounded).',
      'replyTimeout is "5s"; expected a whole number of milliseconds',
      'verbose is 1; expected true or false.',
      'keyPrefix is "a b"; expected 1 to 64 visible characters',
      'payloadBytesMax is 0; expected a whole number of bytes from 1',
      `store.durability is "always"; expected 'commit' or 'fsync', and with redis 'async' or 'replicated(1)'`,
      'retry.maxAttempts is 1.5; expected a whole number of attempts from 1',
      `retry.backoff is "linear"; expected 'fixed' or 'exponential'.`,
      'wal is "off"; expected an object with options.',
      'entities.account.dispatchAhead is 2000; expected a whole number of messages from 1 to 1024.',
      'entities.account.handlerTimeout is NaN',
      'entities.account.onInterrupt is "ignore"',
      'entities.account.retry.maxDelay is null',
      'entities has the type "bad:type"; expected 1 to 128 characters',
    ]) {
      expect(text).toContain(words);
    }
  });

  it.each([null, 1, 'x', []])('refuses %j as a whole', (config) => {
    expect(problemsOf(config)).toHaveLength(1);
  });

  it.each([
    [{ maxTotalWorker: 1 }, 'maxTotalWorker is not an option; did you mean maxTotalWorkers?'],
    [{ MAXTOTALWORKERS: 1 }, 'did you mean maxTotalWorkers?'],
    [{ entities: { account: { workerIdleTimout: 1 } } }, 'did you mean entities.account.workerIdleTimeout?'],
    [{ retry: { maxAttemps: 1 } }, 'did you mean retry.maxAttempts?'],
    [{ entities: { a: { retry: { backof: 1 } } } }, 'did you mean entities.a.retry.backoff?'],
    [{ wal: { entryTtl: 1 } }, 'did you mean wal.entryTTL?'],
    [{ workerMaxQueueDepth: 5 }, 'workerMaxQueueDepth is not an option; it is an option of entities.<type>.'],
    [{ store: { zzzzzz: 1 } }, 'store.zzzzzz is not an option; the options here are path, durability, driver.'],
    [{ entities: { retry: { queries2: 1 } } }, 'did you mean entities.retry.queries?'],
  ])('answers the unknown key in %j with the nearest name', (config, words) => {
    expect(problemsOf(config).join('\n')).toContain(words);
  });

  it.each<readonly [object, string]>([
    [{ executor: { poolSize: 4 } }, 'executor was removed: replyTimeout replaces executor.defaultReplyTimeout'],
    [{ workers: {} }, 'workers was removed'],
    [{ gateTTL: 30 }, 'gateTTL was removed'],
    [{ defaultReplyTimeout: 1 }, 'defaultReplyTimeout was replaced by replyTimeout'],
    [{ entities: { account: { gateTTL: 60 } } }, 'entities.account.gateTTL was removed'],
    ...['enableCronManager', 'cronInterval', 'workerDefaults', 'queueDefaults'].map(
      (key) => [{ [key]: 1 }, 'atomic-queues/bullmq'] as const,
    ),
    ...['queueName', 'workerName', 'maxWorkersPerEntity', 'idleTimeoutSeconds', 'autoSpawn', 'workerConfig'].map(
      (key) => [{ entities: { account: { [key]: 1 } } }, 'atomic-queues/bullmq'] as const,
    ),
  ])('answers the older option in %j with what replaced it', (config, words) => {
    const [problem, ...more] = problemsOf(config);
    expect(more).toEqual([]);
    expect(problem).toContain(words);
    expect(problem).toContain('docs/migration.md');
  });

  it.each([
    { grpc: { enabled: true } },
    { redis: {}, grpc: { listenAddress: '0.0.0.0:50051' } },
    { redis: {}, grpc: { circuitBreakerCooldownMs: 1 } },
    { redis: {}, grpc: { deadlines: { pingMs: 1 } } },
  ])('does not ignore %j, which this version does not have', (config) => {
    expect(problemsOf(config).join('\n')).toContain('is not available yet in this version');
  });

  it.each([
    { entities: { a: { statePersistence: true } } },
    { entities: { a: { stateTTL: 1 } } },
    { entities: { a: { actorIdleTimeout: 1 } } },
    { entities: { a: { effects: 'state' } } },
    { entities: { a: { stateVersion: 2 } } },
  ])('says of %j that it belongs to the actor', (config) => {
    expect(problemsOf(config).join('\n')).toContain('@Actor');
  });

  it('takes the policies of a type', () => {
    const config = resolveConfig({ entities: { a: { onFailure: 'block', outbox: 'atomic' } }, maxResidentActors: 5 });
    expect(config.entityType('a')).toMatchObject({ onFailure: 'block', outbox: 'atomic' });
    expect(config.maxResidentActors).toBe(5);
  });

  it.each([
    [{ retry: { backoffDelay: 2_000, maxDelay: 1_000 } }, ['retry.backoffDelay (2000 ms)', 'retry.maxDelay (1000 ms)']],
    [{ retry: { backoffDelay: 60_000 } }, ['retry.backoffDelay (60000 ms)', 'retry.maxDelay (30000 ms, not set here)']],
    [
      { entities: { a: { retry: { maxDelay: 10 } } } },
      ['entities.a.retry.backoffDelay (1000 ms)', 'entities.a.retry.maxDelay (10 ms)'],
    ],
    [{ wal: { enabled: false }, store: { path: 'x.db' } }, ['wal.enabled is false', '"x.db"']],
    [
      { maxTotalQueueDepth: 10, entities: { a: { workerMaxQueueDepth: 11 } } },
      ['entities.a.workerMaxQueueDepth (11 messages)', 'maxTotalQueueDepth (10 messages)'],
    ],
  ])('refuses the contradiction in %j, naming both options with their values', (config, words) => {
    const problems = problemsOf(config);
    expect(problems).toHaveLength(1);
    for (const word of words) expect(problems[0]).toContain(word);
  });

  it('takes what only looks contradictory', () => {
    expect(
      problemsOf({
        maxTotalQueueDepth: 0,
        replyTimeout: 100,
        wal: { enabled: false },
        entities: {
          a: { handlerTimeout: 60_000, dispatchAhead: 32, onInterrupt: 'retry', workerMaxQueueDepth: 1_000_000 },
        },
      }),
    ).toEqual([]);
  });

  it('shows no secrets', () => {
    expect(problemsOf({ redis: { password: 'hunter2' } }).join()).not.toContain('hunter2');
    expect(problemsOf({ wal: { enabled: { password: 'hunter2' } } }).join()).not.toContain('hunter2');
  });
});

describe('nearestName', () => {
  it('finds likely slips and nothing else', () => {
    expect(nearestName('acount', ['order', 'account'])).toBe('account');
    expect(nearestName('zebra', ['order', 'account'])).toBeUndefined();
    expect(nearestName('x', ['y'])).toBe('y');
    expect(nearestName('', [])).toBeUndefined();
  });
});
