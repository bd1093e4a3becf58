/** How `npm test` gets a Redis server: what it finds, what it installs, and what it says where it can do neither. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Machine {
  readonly named?: string;
  platform: string;
  isRoot: boolean;
  debianLike: boolean;
  find(...names: string[]): string | undefined;
  install(): Promise<void>;
}

interface RedisServerScript {
  ensureRedisServer(machine: Machine): Promise<string>;
  findOnPath(names: readonly string[], path: string): string | undefined;
  withServicesForbidden<T>(policyFile: string, install: () => Promise<T>): Promise<T>;
}

const script = new URL('../../../scripts/redis-server.mjs', import.meta.url).href;
const { ensureRedisServer, findOnPath, withServicesForbidden } = (await import(script)) as RedisServerScript;

/** A machine with these programs; installing adds `redis-server`. */
function machine(
  programs: readonly string[],
  rest: Partial<Machine> = {},
): Machine & { readonly installs: () => number } {
  const there = new Set(programs);
  let installs = 0;
  return {
    platform: 'linux',
    isRoot: true,
    debianLike: true,
    find: (...names) => {
      const name = names.find((each) => there.has(each));
      return name === undefined ? undefined : `/usr/bin/${name}`;
    },
    install: async () => {
      installs += 1;
      there.add('redis-server');
    },
    installs: () => installs,
    ...rest,
  };
}

describe('the Redis server of npm test', () => {
  it.each([
    [['valkey-server'], '/usr/bin/valkey-server'],
    [['valkey-server', 'redis-server'], '/usr/bin/redis-server'],
  ])('takes what is on the PATH: %j', async (programs, path) => {
    const found = machine(programs, { isRoot: false, debianLike: false });
    expect(await ensureRedisServer(found)).toBe(path);
    expect(found.installs()).toBe(0);
  });

  it('takes what AQ_REDIS_SERVER names, and nothing else if that is no program', async () => {
    const named = '/opt/valkey-server';
    const there = machine(['redis-server', named], { named });
    expect(await ensureRedisServer(there)).toBe(named);
    const absent = machine(['redis-server'], { named });
    await expect(ensureRedisServer(absent)).rejects.toThrow('AQ_REDIS_SERVER names /opt/valkey-server');
    expect(findOnPath([process.execPath], '/nowhere')).toBe(process.execPath);
  });

  it('installs the package as root on a Debian-like system', async () => {
    const bare = machine(['apt-get']);
    expect(await ensureRedisServer(bare)).toBe('/usr/bin/redis-server');
    expect(bare.installs()).toBe(1);
  });

  it.each<readonly [string, Partial<Machine>, readonly string[], string]>([
    ['not root', { isRoot: false }, ['apt-get'], 'sudo apt-get install redis-server'],
    ['another Linux', { debianLike: false }, [], 'dnf install redis'],
    ['no apt-get', {}, [], 'apk add redis'],
    ['macOS', { platform: 'darwin' }, [], 'brew install redis'],
  ])('says what to install and fails: %s', async (_, rest, programs, words) => {
    const bare = machine(programs, rest);
    await expect(ensureRedisServer(bare)).rejects.toThrow(words);
    await expect(ensureRedisServer(bare)).rejects.toThrow('neither redis-server nor valkey-server is on the PATH');
    expect(bare.installs()).toBe(0);
  });

  it('fails if the package brought no server', async () => {
    await expect(ensureRedisServer(machine(['apt-get'], { install: async () => {} }))).rejects.toThrow('on the PATH');
  });

  it('is a step that the tests need', () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    const { stdout } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), '--list'], { encoding: 'utf8' });
    const names = stdout.split('\n').map((line) => line.split(' ')[0]);
    expect(names.indexOf('redis')).toBeGreaterThan(-1);
    expect(names.indexOf('redis')).toBeLessThan(names.indexOf('tests'));
  });
});

describe('on the disk', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aq-tooling-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('finds only what can be run', () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    for (const path of [one, two]) mkdirSync(path);
    writeFileSync(join(one, 'a-server'), '', { mode: 0o644 });
    writeFileSync(join(two, 'a-server'), '', { mode: 0o755 });
    const path = `${one}:${join(folder, 'absent')}:${two}`;
    expect(findOnPath(['b-server', 'a-server'], path)).toBe(join(two, 'a-server'));
    expect(findOnPath(['b-server'], path)).toBeUndefined();
  });

  it('forbids services to start while it installs, and takes that back also when it fails', async () => {
    const policy = join(folder, 'policy-rc.d');
    const run = withServicesForbidden(policy, async () => {
      expect(spawnSync(policy).status).toBe(101);
      throw new Error('no network');
    });
    await expect(run).rejects.toThrow('no network');
    expect(existsSync(policy)).toBe(false);
  });

  it('leaves a policy of the machine as it is', async () => {
    const policy = join(folder, 'policy-rc.d');
    writeFileSync(policy, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    expect(await withServicesForbidden(policy, async () => 7)).toBe(7);
    expect(readFileSync(policy, 'utf8')).toContain('exit 0');
  });
});
