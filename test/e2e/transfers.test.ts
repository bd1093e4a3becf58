/**
 * Money in = money out: transfers between accounts whose deposits leave with the completion of the withdrawal, on real
 * stores, with the processes killed at random moments. The long form is in `test/soak/transfers.test.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '../../src/runtime/random.js';
import { RedisServer } from '../redis/harness.mjs';
import { prepare } from './crash/campaign-test.js';
import { audit, type Bank, killAgainAndAgain, MONEY } from './transfers/bank.js';

const KILLS = 10;
/** Each waits for the lease of the one that was killed. */
const KILLS_ON_REDIS = 4;

prepare();

const entities = { account: { onInterrupt: 'retry', maxInterruptions: 1_000 } } as const;

test.each(['any', 'state'] as const)(
  'loses and makes no cent when the process is killed again and again, effects: %s (M15)',
  { timeout: 120_000 },
  async (effects) => {
    const folder = mkdtempSync(join(tmpdir(), 'aq-bank-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const bank: Bank = { config: { entities, store: { path: join(folder, 'bank.db') } }, effects, processes: 1 };
    const { next } = seededRandom(Date.now());
    await killAgainAndAgain(bank, KILLS, next);
    const { money, sent, received, interrupted } = await audit(bank);
    expect({ money, interrupted }).toEqual({ money: MONEY, interrupted: 0 });
    expect(sent).toBeGreaterThan(0);
    expect(received).toBeGreaterThan(0);
  },
);

test('loses and makes no cent when two nodes on one Redis are killed by turns', { timeout: 180_000 }, async () => {
  const server = await RedisServer.start();
  onTestFinished(() => server.dispose());
  const config = { entities, redis: { host: '127.0.0.1', port: server.port } };
  const bank: Bank = { config, effects: 'any', processes: 2 };
  const { next } = seededRandom(Date.now());
  await killAgainAndAgain(bank, KILLS_ON_REDIS, next);
  const { money, sent, interrupted } = await audit(bank);
  expect({ money, interrupted }).toEqual({ money: MONEY, interrupted: 0 });
  expect(sent).toBeGreaterThan(0);
});
