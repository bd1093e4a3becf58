/** What connecting to Redis decides without a server: who answers, what is lasting, and a missing package. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '../../../src/runtime/config.js';
import { systemRuntime } from '../../../src/runtime/runtime.js';
import { lastingFault, passingFault } from '../../../src/wal/redis/connection-faults.js';
import { RedisConnections } from '../../../src/wal/redis/connections.js';
import { identityChange, identityOf, isVersionAtLeast } from '../../../src/wal/redis/server-identity.js';

const info = (fields: Readonly<Record<string, string>>): string =>
  `# Server\r\n${Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('')}`;

const primary = {
  redis_version: '7.0.15',
  redis_mode: 'standalone',
  run_id: 'run-1',
  role: 'master',
  master_replid: 'history-1',
  master_replid2: '0000000000000000000000000000000000000000',
};

describe('the identity of a server', () => {
  it('is read from INFO, of Redis and of Valkey', () => {
    expect(identityOf('h:1', info(primary))).toEqual({
      address: 'h:1',
      readable: true,
      runId: 'run-1',
      replicationId: 'history-1',
      replicationIdBefore: undefined,
      role: 'primary',
      mode: 'standalone',
      version: '7.0.15',
      valkeyVersion: undefined,
    });
    const valkey = { redis_version: '7.2.4', valkey_version: '8.1.0', server_mode: 'cluster', role: 'slave' };
    expect(identityOf('h:1', info(valkey))).toMatchObject({
      ...{ version: '7.2.4', valkeyVersion: '8.1.0', mode: 'cluster', role: 'replica', readable: false },
    });
  });

  it('changes with a restart and with a promotion, and not by what could not be read (M9)', () => {
    const before = identityOf('h:1', info(primary));
    const now = (fields: Readonly<Record<string, string>>) =>
      identityChange(before, identityOf('h:1', info({ ...primary, ...fields })));
    expect(now({})).toBeUndefined();
    expect(identityChange(undefined, before)).toBeUndefined();
    expect(identityChange(before, identityOf('h:1', ''))).toBeUndefined();
    expect(now({ run_id: 'run-2', master_replid: 'history-2' })).toMatchObject({ promoted: false });
    expect(now({ run_id: 'run-2', master_replid: 'history-2', master_replid2: 'history-1' })).toMatchObject({
      promoted: true,
    });
    expect(now({ role: 'slave' })).toMatchObject({ promoted: false });
    const replica = identityOf('h:1', info({ ...primary, role: 'slave' }));
    expect(identityChange(replica, before)).toMatchObject({ promoted: true });
  });

  it.each([
    ['7.0.15', 6, 2, true],
    ['6.2.0', 6, 2, true],
    ['6.0.16', 6, 2, false],
    ['10.0.0', 7, 0, true],
    [undefined, 1, 0, false],
  ])('compares versions: %s with %i.%i', (version, major, minor, result) => {
    expect(isVersionAtLeast(version, major, minor)).toBe(result);
  });
});

describe('faults of connecting', () => {
  it('that last are told from those that pass', () => {
    const of = (message: string, more: object = {}) =>
      lastingFault(Object.assign(new Error(message), more), 'Redis at h:1');
    expect(of('WRONGPASS invalid username-password pair')?.message).toContain('Redis at h:1 refuses the user name or');
    expect(of('certificate has expired', { code: 'CERT_HAS_EXPIRED' })?.message).toContain('redis.tls');
    expect(of('Failed', { lastNodeError: new Error('NOAUTH x') })?.message).toContain('redis.password');
    for (const passing of ['connect ECONNREFUSED', 'LOADING Redis is loading', 'MASTERDOWN Link with MASTER is down']) {
      expect(of(passing, { code: 'ECONNREFUSED' })).toBeUndefined();
    }
  });

  it('that pass tell of TLS where a server without it waits for more, also when a Cluster says only that it took long', () => {
    const slow = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: new Error('timeout') });
    expect(passingFault(slow, true)).toMatch(/^Failed to refresh slots cache: timeout\. .*leave TLS out \(redis\.tls/);
    expect(passingFault(slow, false)).toBe('Failed to refresh slots cache: timeout.');
  });
});

describe('the package ioredis', () => {
  afterEach(() => {
    vi.doUnmock('ioredis');
  });

  it('is named when it is missing, and only then', async () => {
    vi.doMock('ioredis', () => {
      throw new Error('not installed');
    });
    const redis = resolveConfig({ redis: {} }).redis!;
    const connections = new RedisConnections({ redis, runtime: systemRuntime });
    await expect(connections.start()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('npm install ioredis@6') as string,
    });
    await connections.stop();
  });
});
