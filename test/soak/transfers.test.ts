/** The long form of `test/e2e/transfers.test.ts`: 300 kills, a third of them on Redis with two nodes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '../../src/runtime/random.js';
import { prepare } from '../e2e/crash/campaign-test.js';
import { audit, type Bank, killAgainAndAgain, MONEY } from '../e2e/transfers/bank.js';
import { RedisServer } from '../redis/harness.mjs';

const KILLS = 100;

prepare();

const entities = { account: { onInterrupt: 'retry', maxInterruptions: 1_000 } } as const;

async function money(bank: Bank): Promise<void> {
  const { next } = seededRandom(Date.now());
  await killAgainAndAgain(bank, KILLS, next);
  const { money: counted, sent, interrupted } = await audit(bank);
  expect({ money: counted, interrupted }).toEqual({ money: MONEY, interrupted: 0 });
  expect(sent).toBeGreaterThan(0);
}

test.each(['any', 'state'] as const)(
  'loses and makes no cent in 100 kills on one store, effects: %s (M15)',
  { timeout: 1_800_000 },
  async (effects) => {
    const folder = mkdtempSync(join(tmpdir(), 'aq-bank-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    await money({ config: { entities, store: { path: join(folder, 'bank.db') } }, effects, processes: 1 });
  },
);

test('loses and makes no cent in 100 kills of two nodes on one Redis (M15)', { timeout: 3_600_000 }, async () => {
  const server = await RedisServer.start();
  onTestFinished(() => server.dispose());
  const redis = { host: '127.0.0.1', port: server.port };
  await money({ config: { entities, redis }, effects: 'any', processes: 2 });
});
