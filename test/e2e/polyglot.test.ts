/**
 * Programs in other languages beside real nodes: `docs/protocol.md` is followed with nothing but the `redis-cli` binary,
 * and with the Python program that stands in it. What the page claims is read out of the page.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AtomicQueuesNode, createNode } from '../../src/bus/node.js';
import { entityKey } from '../../src/message/entity-key.js';
import { sliceOf } from '../../src/message/shard-of.js';
import { programOnPath, RedisServer, until } from '../redis/harness.mjs';

const page = readFileSync(fileURLToPath(new URL('../../docs/protocol.md', import.meta.url)), 'utf8');
const redisCli = programOnPath('redis-cli', 'valkey-cli');
const python = programOnPath('python3');

/** The block of code behind a mark in the page. */
function blockAfter(mark: string): string {
  const [, text] = new RegExp(`<!-- ${mark} -->\\s+\`\`\`\\w+\\n([^]*?)\`\`\``).exec(page) ?? [];
  if (text === undefined) throw new Error(`docs/protocol.md has no block marked ${mark}.`);
  return text;
}

interface Vector {
  readonly entityType: string;
  readonly entityId: string;
  readonly crc: number;
  readonly of16: number;
  readonly of5: number;
}

function vectors(): readonly Vector[] {
  const table = page.slice(page.indexOf('<!-- vectors -->')).split('\n\n')[1] ?? '';
  return table
    .split('\n')
    .slice(2)
    .map((row) => {
      const [, entityType = '', entityId = '', crc, of16, of5] = row
        .split('|')
        .map((cell) => cell.trim().replace(/^`|`$/g, ''));
      const id = JSON.parse(entityId) as string;
      return { entityType, entityId: id, crc: Number(crc), of16: Number(of16), of5: Number(of5) };
    });
}

describe('other languages', () => {
  let server: RedisServer;
  const nodes: AtomicQueuesNode[] = [];
  let prefixes = 0;
  let prefix = '';
  const ran: unknown[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(more: object = {}): Promise<AtomicQueuesNode> {
    prefixes += 1;
    prefix = `poly${prefixes}`;
    ran.splice(0);
    const node = createNode({
      config: {
        redis: { host: '127.0.0.1', port: server.port },
        keyPrefix: prefix,
        cluster: { serverId: 'one' },
        ...more,
      },
    });
    node.handle('account', 'Withdraw', (message, context) => {
      ran.push((message as { n?: number }).n);
      const { headers } = context;
      return { entity: context.entityId, message, ...(Object.keys(headers).length > 0 && { headers }) };
    });
    node.handle('account', 'Fail', () => {
      throw Object.assign(new Error('no cover'), { missing: 12 });
    });
    node.handle('account', 'Nothing', () => undefined);
    nodes.push(node);
    await node.start();
    return node;
  }

  /** Runs redis-cli once, as a shell would, and gives what it prints. */
  async function cli(...args: readonly (string | number)[]): Promise<string> {
    if (redisCli === undefined) throw new Error('There is no redis-cli on the PATH; it comes with the server.');
    const child = spawn(redisCli, ['-h', '127.0.0.1', '-p', String(server.port), '-e', ...args.map(String)]);
    const [stdout, stderr]: string[][] = [[], []];
    child.stdout.on('data', (piece: Buffer) => stdout?.push(piece.toString()));
    child.stderr.on('data', (piece: Buffer) => stderr?.push(piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`redis-cli ${String(args[0])}: ${stderr?.join('')}${stdout?.join('')}`);
    return (stdout?.join('') ?? '').trimEnd();
  }

  const crc = async (text: string): Promise<number> => Number(await cli('EVAL', blockAfter('crc-lua').trim(), 0, text));

  /** The shard of an entity, found step by step as the page says. */
  async function shardByCli(entityType: string, entityId: string): Promise<number> {
    expect(await cli('HGET', `{${prefix}}:meta`, 'format')).toBe('1');
    const slices = Number(await cli('HGET', `{${prefix}}:meta`, 'slices'));
    const group = await cli('HGET', `{${prefix}}:groups`, `t:${entityType}`);
    const index = Number(await cli('HGET', `{${prefix}}:groups`, `g:${group}`));
    return index * slices + ((await crc(`${entityType}\n${entityId}`)) % slices);
  }

  const replyKey = async (shard: number, id: string): Promise<string> =>
    `{${prefix}:${shard}}:reply:${(await crc(id)) % 16}`;

  async function verdictByCli(shard: number, id: string): Promise<unknown> {
    const key = await replyKey(shard, id);
    return JSON.parse(await until(`the verdict of ${id}`, async () => (await cli('HGET', key, id)) || undefined));
  }

  async function quarantine(shard: number): Promise<readonly { readonly text: string; readonly reason: string }[]> {
    const lines = await cli('LRANGE', `{${prefix}:${shard}}:quarantine`, 1, -1);
    return lines === '' ? [] : lines.split('\n').map((line) => JSON.parse(line) as { text: string; reason: string });
  }

  it('find the same shards as the library, by the vectors of the page', async () => {
    const all = vectors();
    expect(all.length).toBeGreaterThanOrEqual(8);
    expect(all.some(({ entityId }) => /[^ -~]/.test(entityId))).toBe(true);
    for (const { entityType, entityId, crc: expected, of16, of5 } of all) {
      const key = entityKey(entityType, entityId);
      expect([entityId, sliceOf(key, 16), sliceOf(key, 5), sliceOf(key, 2 ** 32)]).toEqual([
        entityId,
        of16,
        of5,
        expected,
      ]);
      expect(await crc(key)).toBe(expected);
    }
  });

  it('enqueue and wait with nothing but redis-cli (I5)', async () => {
    await startNode();
    const shard = await shardByCli('account', 'alice');
    const message = {
      id: '9f0c7a5e',
      entityType: 'account',
      entityId: 'alice',
      name: 'Withdraw',
      payload: { n: 500 },
      headers: { trace: 'abc' },
      replyTo: 'poll',
    };
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(message));
    await cli('PUBLISH', `${prefix}:wake`, shard);
    expect(await verdictByCli(shard, '9f0c7a5e')).toEqual({
      state: 'completed',
      reply: { entity: 'alice', message: { n: 500 }, headers: { trace: 'abc' } },
    });
    // Without a hint, and with what a handler throws or does not return.
    const failing = { id: 'f-1', entityType: 'account', entityId: 'alice', name: 'Fail', payload: {}, replyTo: 'poll' };
    const nothing = { ...failing, id: 'f-2', name: 'Nothing', payload: '"text that is encoded already"' };
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(failing), JSON.stringify(nothing));
    expect(await verdictByCli(shard, 'f-1')).toEqual({
      state: 'failed',
      error: { name: 'Error', message: 'no cover', data: { missing: 12 } },
    });
    expect(await verdictByCli(shard, 'f-2')).toEqual({ state: 'completed' });
    expect(await quarantine(shard)).toEqual([]);
  });

  it('enqueue while no node lives, and in order (I1, I4)', async () => {
    const first = await startNode();
    const shard = await shardByCli('account', 'bob');
    await first.stop();
    const texts = [1, 2, 3].map((n) =>
      JSON.stringify({
        id: `o-${n}`,
        entityType: 'account',
        entityId: 'bob',
        name: 'Withdraw',
        payload: { n },
        replyTo: 'poll',
      }),
    );
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, ...texts);
    // Sent again with the same ids: not taken in twice.
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, ...texts);
    const again = createNode({ config: { redis: { host: '127.0.0.1', port: server.port }, keyPrefix: prefix } });
    again.handle('account', 'Withdraw', (message) => void ran.push((message as { n: number }).n));
    nodes.push(again);
    ran.splice(0);
    await again.start();
    await verdictByCli(shard, 'o-3');
    await again.whenIdle();
    expect(ran).toEqual([1, 2, 3]);
  });

  it('get the first verdict for a known messageId, and can number what they send', async () => {
    await startNode();
    const shard = await shardByCli('account', 'carol');
    const message = {
      entityType: 'account',
      entityId: 'carol',
      name: 'Withdraw',
      replyTo: 'poll',
      messageId: 'order-7',
    };
    const push = (text: object): Promise<string> => cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(text));
    await push({ ...message, id: 'm-1', payload: { n: 1 } });
    const verdict = await verdictByCli(shard, 'm-1');
    await push({ ...message, id: 'm-2', payload: { n: 2 } });
    expect(await verdictByCli(shard, 'm-2')).toEqual(verdict);
    expect(ran).toEqual([1]);
    // A message that waits is told as such, and its verdict comes to who pushes the same again.
    await push({ ...message, messageId: 'late', id: 'm-3', payload: { n: 3 }, delayMs: 1_000 });
    await push({ ...message, messageId: 'late', id: 'm-4', payload: { n: 4 } });
    expect(await verdictByCli(shard, 'm-4')).toEqual({ state: 'duplicate', first: 'm-3' });
    expect(await verdictByCli(shard, 'm-3')).toMatchObject({ state: 'completed' });
    await push({ ...message, messageId: 'late', id: 'm-4', payload: { n: 4 } });
    const key = await replyKey(shard, 'm-4');
    await until('the verdict of the first', async () => (await cli('HGET', key, 'm-4')).includes('completed'));
    expect(ran).toEqual([1, 3]);

    const script = blockAfter('session-lua').trim();
    const hand = (number: number): Promise<string> => {
      const envelope = {
        id: `s-${number}`,
        kind: 'command',
        entityType: 'account',
        entityId: 'carol',
        name: 'Withdraw',
      };
      const transition = { type: 'append', message: { ...envelope, payload: `{"n":${number}}` } };
      const text = JSON.stringify({ session: 'stream-1', number, transition });
      const keys = ['inbox', 'offered'].map((name) => `{${prefix}:${shard}}:${name}`);
      return cli('EVAL', script, 2, ...keys, 'stream-1', number, text);
    };
    expect([await hand(1), await hand(1), await hand(3), await hand(2)]).toEqual(['1', '0', '-1', '1']);
    await until('both', async () => (await cli('HGET', `{${prefix}:${shard}}:taken`, 'stream-1')) === '2');
    await until('their handlers', () => ran.length === 4);
    expect(ran).toEqual([1, 3, 1, 2]);
  });

  it('never stop a shard with what cannot be used, and learn why (I9)', async () => {
    const node = await startNode();
    const shard = await shardByCli('account', 'dave');
    const plain = { id: 'plain', entityType: 'account', entityId: 'dave', name: 'Withdraw', payload: { n: 1 } };
    const good = { ...plain, id: 'good', replyTo: 'poll' };
    const { payload: _, ...withoutPayload } = plain;
    const bad: readonly (readonly [text: string, reason: RegExp])[] = [
      ['{"entityType":"account"', /^not JSON$/],
      ['""', /no JSON object/],
      ['[1]', /no JSON object/],
      [JSON.stringify(withoutPayload), /it has no payload/],
      [JSON.stringify({ ...plain, entityType: undefined }), /it has no entityType/],
      [JSON.stringify({ ...plain, name: undefined }), /it has no name/],
      [JSON.stringify({ ...plain, entityId: 7 }), /entityId must be a string of 1 to 512/],
      [JSON.stringify({ ...plain, entityId: '' }), /entityId must be a string/],
      [JSON.stringify({ ...plain, id: 'x'.repeat(513) }), /id must be a string of 1 to 512/],
      [JSON.stringify({ ...plain, name: 'no spaces' }), /name must be 1 to 128 characters/],
      [JSON.stringify({ ...plain, payload: 'no JSON text' }), /payload is a string that is not JSON text/],
      [JSON.stringify({ ...plain, kind: 'event' }), /kind must be "command" or "query"/],
      [JSON.stringify({ ...plain, headers: { a: 1 } }), /headers must be an object of strings/],
      [JSON.stringify({ ...plain, delayMs: '5' }), /delayMs must be a whole number/],
      [JSON.stringify({ ...plain, delayMs: 5, runAt: 5 }), /contradict/],
      [JSON.stringify({ ...plain, expiresInMs: -1 }), /expiresInMs must be a whole number/],
      [JSON.stringify({ ...plain, messageID: 'typing error' }), /unknown field "messageID"/],
      [JSON.stringify({ ...plain, entityId: 'someone else' }), /its entity is in slice \d+, and this is shard/],
      ['{"session":"s","number":1,"transition":{"type":"complete","seq":1}}', /'complete' is the owner's/],
    ];
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, ...bad.map(([text]) => text), JSON.stringify(good));
    expect(await verdictByCli(shard, 'good')).toMatchObject({ state: 'completed' });
    const found = await quarantine(shard);
    expect(found.map(({ text }) => text)).toEqual(bad.map(([text]) => text));
    for (const [index, [, reason]] of bad.entries()) expect(found[index]?.reason).toMatch(reason);

    // In the slice, but of a type that nobody handles; the sender who waits is told.
    let unknown = '';
    for (let n = 0; unknown === ''; n += 1) {
      if (sliceOf(entityKey('nobody', `n${n}`), 16) === shard % 16) unknown = `n${n}`;
    }
    const stranger = { ...good, id: 'stranger', entityType: 'nobody', entityId: unknown };
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(stranger));
    expect(await verdictByCli(shard, 'stranger')).toEqual({ state: 'refused', reason: 'unknown entity type "nobody"' });
    // Mended and sent again under the same id.
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify({ ...good, id: 'mended', kind: 'event' }));
    expect(await verdictByCli(shard, 'mended')).toMatchObject({
      state: 'refused',
      reason: expect.stringMatching(/kind/),
    });
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify({ ...good, id: 'mended' }));
    const key = await replyKey(shard, 'mended');
    await until('its verdict', async () => (await cli('HGET', key, 'mended')).includes('completed'));
    // A name without a handler waits in line for a node that has one, or for whoever withdraws it.
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify({ ...good, id: 'nameless', name: 'Unheard' }));
    await until('the message', async () => (await node.queueBus.status('nameless')).state === 'enqueued');
    expect(await node.queueBus.cancel('nameless')).toBe(true);
    expect(await verdictByCli(shard, 'nameless')).toEqual({ state: 'cancelled' });
  });

  it('put what is too large into the quarantine, and take in what a node may send (I9)', async () => {
    const node = await startNode();
    const shard = await shardByCli('account', 'erin');
    const large = {
      id: 'large',
      entityType: 'account',
      entityId: 'erin',
      name: 'Withdraw',
      payload: 'x'.repeat(4 * 1024 * 1024),
    };
    const good = { ...large, id: 'small', payload: { n: 1 }, replyTo: 'poll' };
    await server.command('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(large));
    await cli('RPUSH', `{${prefix}:${shard}}:inbox`, JSON.stringify(good));
    expect(await verdictByCli(shard, 'small')).toMatchObject({ state: 'completed' });
    const [found] = await quarantine(shard);
    expect(found?.reason).toMatch(/^too large: \d+ bytes, and 4194304 are allowed$/);
    expect(found?.text).toHaveLength(4_096);
    expect(await node.queueBus.status('large')).toMatchObject({ state: 'unknown' });
  });

  describe.runIf(pythonRuns())('Python with its standard library', () => {
    interface Client {
      call(
        method: string,
        ...args: readonly unknown[]
      ): Promise<{ readonly answer?: unknown; readonly error?: string }>;
    }

    /** The program of the page in a process of its own. */
    function client(): Client {
      const folder = mkdtempSync(join(tmpdir(), 'aq-python-'));
      const path = join(folder, 'client.py');
      writeFileSync(path, blockAfter('python'));
      const child: ChildProcess = spawn(python as string, [path, '127.0.0.1', String(server.port), prefix], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { PATH: process.env['PATH'] ?? '', PYTHONUTF8: '1' },
      });
      onTestFinished(() => {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      });
      const waiting: ((line: string) => void)[] = [];
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => waiting.shift()?.(line));
      return {
        call: (...request) => {
          const answered = new Promise<string>((resolve) => waiting.push(resolve));
          child.stdin?.write(`${JSON.stringify(request)}\n`);
          return answered.then((line) => JSON.parse(line) as { answer?: unknown; error?: string });
        },
      };
    }

    it('enqueues and waits (I5)', async () => {
      await startNode();
      const { call } = client();
      expect(await call('enqueue_and_wait', 'account', 'Withdraw', 'Jürgen 🦊', { n: 'ä' }, {})).toEqual({
        answer: { entity: 'Jürgen 🦊', message: { n: 'ä' } },
      });
      expect((await call('enqueue_and_wait', 'account', 'Fail', 'x', {}, {})).error).toMatch(/"failed".*no cover/);
      expect(await call('enqueue_and_wait', 'account', 'Nothing', 'x', {}, {})).toEqual({ answer: null });
      expect((await call('enqueue_and_wait', 'nobody', 'Fail', 'x', {}, {})).error).toMatch(/ever had handlers/);
      expect((await call('enqueue_and_wait', 'account', 'Nothing', 'x', {}, { delay: 5 })).error).toMatch(
        /refused.*unknown field \\"delay\\"/,
      );
    });

    it('gets the verdict of the first message with its messageId, also while that one waits', async () => {
      await startNode();
      const { call } = client();
      const first = { messageId: 'k', delayMs: 1_500 };
      expect((await call('enqueue', 'account', 'Withdraw', 'y', { n: 1 }, first)).answer).toMatchObject({
        entityId: 'y',
      });
      expect(await call('enqueue_and_wait', 'account', 'Withdraw', 'y', { n: 2 }, { messageId: 'k' })).toEqual({
        answer: { entity: 'y', message: { n: 1 } },
      });
      expect(ran).toEqual([1]);
    });
  });

  function pythonRuns(): boolean {
    if (python !== undefined) return true;
    process.stderr.write(
      '\nSKIPPED: there is no python3 on the PATH, so the Python program of docs/protocol.md is not tried.\n\n',
    );
    return false;
  }
});
