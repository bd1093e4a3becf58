/** The user of `docs/redis.md` has all permissions that a node needs; and what is said to one who has not. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { RedisServer, serverMajor, until } from '../../redis/harness.mjs';

const page = readFileSync(fileURLToPath(new URL('../../../docs/redis.md', import.meta.url)), 'utf8');

/** The rules of a user of the page, without its name. */
function documentedRules(mark = 'acl', name = 'queues'): readonly string[] {
  const [, text = ''] = new RegExp(`<!-- ${mark} -->\\s+\`\`\`\\w*\\n([^]*?)\`\`\``).exec(page) ?? [];
  const words = text.replace(/\\\n/g, ' ').trim().split(/\s+/);
  expect(words.slice(0, 3)).toEqual(['ACL', 'SETUSER', name]);
  return words.slice(3);
}

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

interface Setup {
  readonly warnings: string[];
  node(handles?: boolean): AtomicQueuesNode;
}

async function serverWith(rules: readonly string[], options = {}): Promise<Setup & { readonly server: RedisServer }> {
  const server = await RedisServer.start(options);
  endings.push(() => server.dispose());
  await server.command('ACL', 'SETUSER', 'queues', ...rules);
  const warnings: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    warn: (text: string) => void warnings.push(text),
    error: (text: string) => void warnings.push(text),
  };
  return {
    server,
    warnings,
    node: (handles = true) => {
      const redis = { host: '127.0.0.1', port: server.port, username: 'queues', password: 'secret' };
      const node = createNode({ config: { redis }, logger });
      if (handles) {
        node.handle('account', 'add', (message) => message);
        node.handle('account', 'fail', () => {
          throw new Error('as planned');
        });
        node.handle('account', 'get', () => 'seen', { kind: 'query' });
      }
      endings.push(() => node.stop());
      return node;
    },
  };
}

describe('the user of the page', () => {
  it('may do all that nodes do: send, wait, ask, delay, fail, replay, pause, look, join and leave', async () => {
    const { node, server, warnings } = await serverWith(documentedRules());
    const [one, two, sender] = [node(), node(), node(false)];
    await Promise.all([one.start(), two.start()]);
    await sender.open();
    for (const each of [one, two, sender]) {
      const { queueBus } = each;
      const ids = Array.from({ length: 8 }, (_, n) => `a${n}`);
      await Promise.all(
        ids.map((id) => queueBus.enqueueAndWait('account', 'add', id, { id }, { messageId: `${id}-k` })),
      );
      await Promise.all(ids.map((id) => queueBus.enqueueAndWait('account', 'get', id, {})));
      await queueBus.enqueueAndWait('account', 'add', 'late', {}, { delayMs: 50 });
      await queueBus.enqueueAndWait('account', 'fail', 'a1', {}).catch(() => {});
      const { id } = await queueBus.enqueue('account', 'add', 'paused', {}, { delayMs: 60_000 });
      await until('the delayed message', async () => (await queueBus.status(id)).state === 'enqueued');
      expect(await queueBus.cancel(id)).toBe(true);
      await queueBus.pause('account', 'p');
      await queueBus.resume('account', 'p');
    }
    const { letters } = await one.deadLetters.list();
    expect(letters).toHaveLength(3);
    for (const letter of letters) await one.deadLetters.purge(letter.id);
    await two.stop();
    expect(await one.queueBus.enqueueAndWait('account', 'add', 'a1', {})).toEqual({});
    await sender.stop();
    await one.stop();
    expect(warnings.filter((text) => /NOPERM|permission/i.test(text))).toEqual([]);
    // Nothing was refused that somebody swallowed.
    const denied = (await server.command('ACL', 'LOG')) as unknown[];
    const commands = denied.map((entry) => (entry as unknown[])[7]);
    // Redis 6.2 has CLIENT as one dangerous command: connections are without their names there.
    const known = ['config|get', 'config', serverMajor() >= 7 ? 'client|setinfo' : 'client'];
    expect(commands.filter((command) => !known.includes(String(command)))).toEqual([]);
  });

  it('sees the eviction policy without CONFIG', async () => {
    const { node } = await serverWith(documentedRules(), { maxmemory: '64mb', policy: 'volatile-lru' });
    await expect(node().start()).rejects.toThrow(/maxmemory-policy is "volatile-lru"/);
  });
});

describe('the producer of the page', () => {
  it('may push, hint and poll, and nothing else', async () => {
    const { node, server } = await serverWith(documentedRules());
    const major = Number((await server.info('server'))['redis_version']?.split('.')[0]);
    if (major < 7) return;
    await node().start();
    await server.command('ACL', 'SETUSER', 'producer', ...documentedRules('acl-producer', 'producer'));
    const { port } = server;
    const client = new Redis({ port, username: 'producer', password: 'secret', enableReadyCheck: false });
    endings.push(() => client.disconnect());
    expect(await client.hmget('{aq}:meta', 'format', 'slices')).toEqual(['1', '16']);
    expect(await client.hget('{aq}:groups', 't:account')).toBe('default');
    const message = { id: 'p-1', entityType: 'account', entityId: 'alice', name: 'add', payload: 1, replyTo: 'poll' };
    await client.rpush('{aq:2}:inbox', JSON.stringify(message));
    await client.publish('aq:wake', '2');
    const key = `{aq:2}:reply:${crc32('p-1') % 16}`;
    expect(await until('the verdict', async () => (await client.hget(key, 'p-1')) ?? undefined)).toBe(
      '{"state":"completed","reply":1}',
    );
    await expect(client.hget('{aq:2}:meta', 'epoch')).rejects.toThrow(/NOPERM/);
    await expect(client.hset('{aq}:meta', 'slices', '1')).rejects.toThrow(/NOPERM/);
    await expect(client.publish('aq:nodes', 'x')).rejects.toThrow(/NOPERM/);
  });
});

describe('a user who lacks a permission', () => {
  it('to look at the server is let in with a warning', async () => {
    const { node, warnings } = await serverWith([...documentedRules(), '-info']);
    const one = node();
    await one.start();
    expect(await one.queueBus.enqueueAndWait('account', 'add', 'a', {})).toEqual({});
    expect(warnings.join('\n')).toMatch(/does not allow INFO.*Version 6\.2 or newer is needed/);
  });

  it.each([
    ['to run scripts', ['-@scripting']],
    ['to the keys', ['resetkeys', '~other:*']],
    ['to the channels', ['resetchannels']],
  ])('%s is told so at the start', async (_, rules) => {
    const { node } = await serverWith([...documentedRules(), ...rules]);
    await expect(node().start()).rejects.toMatchObject({
      message: expect.stringMatching(/NOPERM.*(ACL|permission)/is) as string,
    });
  });
});
