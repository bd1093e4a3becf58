/**
 * A service that knows of another one only what `atomic-queues generate --classes` made: both on a real Redis, the second
 * one compiled by the strict compiler and run as a process of its own.
 */
import { execFile, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type AtomicQueuesNode,
  createNode,
  EntityType,
  JobCommand,
  JobQuery,
  MessageSchema,
  QueueEntityId,
  ReplySchema,
} from '../../src/core.js';
import { RedisServer } from '../redis/harness.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const run = promisify(execFile);

@EntityType('warehouse', { name: 'reserve-stock' })
@JobCommand()
@MessageSchema(
  z.object({
    sku: z.string().describe('Which article'),
    quantity: z.int().positive(),
    priority: z.enum(['now', 'later']).optional(),
  }),
)
@ReplySchema(z.object({ left: z.int(), reserved: z.array(z.object({ shelf: z.string(), count: z.int() })) }))
class ReserveStock {
  @QueueEntityId()
  readonly sku!: string;
  readonly quantity!: number;
}

@EntityType('warehouse')
@JobQuery()
@MessageSchema(z.object({ sku: z.string() }))
@ReplySchema(z.object({ available: z.int() }))
class GetStockQuery {
  @QueueEntityId()
  readonly sku!: string;
}

/** The second service. It imports nothing of the first one. */
const SHOP = `
import { createNode, isAtomicQueuesError } from 'atomic-queues/core';
import { GetStockQuery, Note, ReserveStock, type ReserveStockReply } from './generated/index.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

const redis = process.argv[2] ?? '';
const node = createNode({ config: { redis, cluster: { serviceGroup: 'shop' }, registry: { serviceName: 'shop' } } });
await node.start();
try {
  const reserved = await node.queueBus.enqueueAndWait(new ReserveStock({ sku: 'SKU-1', quantity: 3, priority: 'now' }));
  const isInferred: Same<typeof reserved, ReserveStockReply> = true;
  const shelves: string[] = reserved.reserved.map(({ shelf }) => shelf);
  const { available } = await node.queueBus.forEntity('warehouse', 'SKU-1').enqueueAndWait(new GetStockQuery({ sku: 'SKU-1' }));
  const isNumber: Same<typeof available, number> = true;
  const refused = await node.queueBus.enqueue(new ReserveStock({ sku: 'SKU-1', quantity: -1 })).then(
    () => 'accepted',
    (error: unknown) => (isAtomicQueuesError(error) ? error.code : String(error)),
  );
  const noted = await node.queueBus.enqueueAndWait(new Note('SKU-1', { text: 'checked' }));
  console.log(JSON.stringify({ noted, isInferred, isNumber, left: reserved.left, shelves, available, refused }));
} finally {
  await node.stop();
}
`;

/** Each line is one mistake that the compiler has to find. */
const MISTAKES = `import { GetStockQuery, ReserveStock } from './generated/index.js';
export const noQuantity = new ReserveStock({ sku: 'SKU-1' });
export const wrongType = new ReserveStock({ sku: 'SKU-1', quantity: '3' });
export const wrongValue = new ReserveStock({ sku: 'SKU-1', quantity: 3, priority: 'never' });
export const unknownField = new GetStockQuery({ sku: 'SKU-1', colour: 'red' });
`;

describe('a service with nothing but generated classes', () => {
  let server: RedisServer;
  let warehouse: AtomicQueuesNode;
  let folder: string;
  const generated = (): string => join(folder, 'generated');
  const atomicQueues = (...args: readonly string[]): Promise<{ readonly stdout: string }> =>
    run(process.execPath, [main, ...args], { cwd: folder, env: { ...process.env, ATOMIC_QUEUES_REDIS: server.url } });

  beforeAll(async () => {
    if (!existsSync(main)) throw new Error('dist is not there: run "npm run build" first.');
    folder = mkdtempSync(join(tmpdir(), 'aq-generated-'));
    server = await RedisServer.start();
    warehouse = createNode({
      config: {
        redis: server.url,
        cluster: { serviceGroup: 'stock' },
        registry: { serviceName: 'warehouse-service' },
      },
    });
    let left = 10;
    warehouse.handle(ReserveStock, ({ quantity }) => {
      left -= quantity;
      return { left, reserved: [{ shelf: 'A1', count: quantity }] };
    });
    warehouse.handle(GetStockQuery, () => ({ available: left }));
    // Without a class nothing says where the id is, so whoever sends it has to.
    warehouse.handle('warehouse', 'note', (payload, { entityId }) => ({ entityId, payload }));
    await warehouse.start();
  });

  afterAll(async () => {
    await warehouse?.stop();
    await server?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('calls the service that they were generated from, with typed replies, and is refused what does not fit', async () => {
    await atomicQueues('generate', '--classes', '-o', 'generated');
    expect(readdirSync(generated()).sort()).toEqual(['index.ts', 'warehouse.ts']);
    expect(readFileSync(join(generated(), 'warehouse.ts'), 'utf8')).toContain(
      "@EntityType('warehouse', { name: 'reserve-stock' })",
    );

    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules/atomic-queues'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'shop.ts'), SHOP);
    writeFileSync(join(folder, 'mistakes.ts'), MISTAKES);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { noEmit: false, paths: {}, typeRoots: [join(root, 'node_modules/@types')] },
        include: ['.'],
        exclude: ['node_modules'],
      }),
    );
    const { stdout: told } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const places = told.split('\n').flatMap((line) => /^(\S+)\((\d+),/.exec(line)?.slice(1).join(' ') ?? []);
    expect({ places, told }).toMatchObject({
      places: ['mistakes.ts 2', 'mistakes.ts 3', 'mistakes.ts 4', 'mistakes.ts 5'],
    });

    const { stdout } = await run(process.execPath, ['shop.js', server.url], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual({
      noted: { entityId: 'SKU-1', payload: { text: 'checked' } },
      isInferred: true,
      isNumber: true,
      left: 7,
      shelves: ['A1'],
      available: 7,
      refused: 'INVALID_PAYLOAD',
    });
  });

  it('finds its code up to date, and its contract unbroken, as long as nothing has changed', async () => {
    const files = (): string[] => readdirSync(generated()).map((file) => readFileSync(join(generated(), file), 'utf8'));
    rmSync(generated(), { recursive: true, force: true });
    await atomicQueues('generate', '--classes', '-o', 'generated');
    const before = files();
    await atomicQueues('generate', '--snapshot', '-o', 'contracts.json');
    await atomicQueues('generate', '--classes', '-o', 'generated', '--check');
    expect(files()).toEqual(before);
    const { stdout } = await atomicQueues('check', '--against', 'contracts.json');
    expect(stdout).toBe('Nothing has changed since contracts.json.\n');
  });
});
