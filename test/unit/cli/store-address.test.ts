/** Which store a command is about. */
import { describe, expect, it } from 'vitest';
import type { ConsoleIo } from '../../../src/cli/console-io.js';
import { addressText, type StoreOptions, storeAddress } from '../../../src/cli/store-address.js';

const around = (env: Record<string, string> = {}): ConsoleIo => ({ env, cwd: '/srv' }) as unknown as ConsoleIo;
const at = (given: StoreOptions, env?: Record<string, string>) => storeAddress(around(env), given);

describe('the address of a store', () => {
  it.each([
    [{}, {}, '/srv/atomic-queues.db'],
    [{ path: 'x.db' }, {}, '/srv/x.db'],
    [{}, { ATOMIC_QUEUES_PATH: '/var/y.db' }, '/var/y.db'],
    [{ path: 'x.db' }, { ATOMIC_QUEUES_REDIS: 'redis://h' }, '/srv/x.db'],
    [{ redis: 'redis://h' }, { ATOMIC_QUEUES_PATH: 'y.db' }, '"aq" on Redis at h'],
    [{ redis: 'h:7000' }, {}, '"aq" on Redis at h:7000'],
    [{ redis: 'redis://me:secret@h:7000/3', prefix: 'bank' }, {}, '"bank" on Redis at h:7000/3'],
    [{}, { ATOMIC_QUEUES_REDIS: 'rediss://h', ATOMIC_QUEUES_PREFIX: 'bank' }, '"bank" on Redis at h'],
    [{ cluster: 'a:7001,b' }, {}, '"aq" on Redis at a:7001,b:6379'],
    [{ cluster: '[::1]:7001' }, {}, '"aq" on Redis at [::1]:7001'],
    [{ sentinels: 'main@a,b:5000' }, {}, '"aq" on Redis "main" of the Sentinels a:26379,b:5000'],
    [{}, { ATOMIC_QUEUES_CLUSTER: 'a', ATOMIC_QUEUES_REDIS: 'redis://u:p@x' }, '"aq" on Redis at a:6379'],
  ])('of %j in the environment %j is %s', (given, env, text) => {
    expect(addressText(at(given, env))).toBe(text);
  });

  it('keeps user and password for a Cluster, whose nodes stand apart', () => {
    expect(at({ redis: 'redis://me:secret@x', cluster: 'a:1,b:2' })).toMatchObject({
      kind: 'redis',
      url: 'redis://me:secret@x',
      clusterNodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
  });

  it.each([
    [{ path: 'x', redis: 'redis://h' }, {}, /Name one store/],
    [{}, { ATOMIC_QUEUES_PATH: 'x', ATOMIC_QUEUES_REDIS: 'redis://h' }, /Name one store/],
    [{ prefix: 'x' }, {}, /--redis/],
    [{ prefix: 'x', path: 'y' }, {}, /--redis/],
    [{ redis: 'http://h' }, {}, /redis:\/\//],
    [{ redis: 'redis://' }, {}, /redis:\/\//],
    [{ cluster: 'a:x' }, {}, /host:port/],
    [{ cluster: 'a,,b' }, {}, /host:port/],
    [{ cluster: 'u@a' }, {}, /host:port/],
    [{ sentinels: 'a:1' }, {}, /name@host:port/],
    [{ cluster: 'a', sentinels: 'm@a' }, {}, /exclude each other/],
  ])('refuses %j in the environment %j', (given, env, words) => {
    expect(() => at(given, env)).toThrow(words);
  });
});
