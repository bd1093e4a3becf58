/** What the store of the simulated cluster says by itself. */
import { describe, expect, it } from 'vitest';
import type { TransportMessage } from '../../../src/cluster/transport/transport.js';
import type { Envelope } from '../../../src/message/envelope.js';
import { TellingWal } from '../../../src/testing/simulation/telling-wal.js';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import type { Offer } from '../../../src/wal/wal.js';

const message = (id: string, more: Partial<Envelope> = {}): Envelope => ({
  ...{ id, kind: 'command', entityType: 'account', entityId: `of-${id}`, name: 'Add', payload: '{}' },
  ...more,
});
const offer = (number: number, id: string, more: Partial<Envelope> = {}): Offer => ({
  session: 's',
  number,
  transition: { type: 'append', message: message(id, more) },
});

async function telling() {
  const said: (readonly [to: string, message: TransportMessage])[] = [];
  const wal = new TellingWal({ clock: new ContractClock(), tell: (to, text) => void said.push([to, text]) });
  await wal.start();
  const { epoch } = await wal.open(0, 'owner');
  let number = 0;
  const commit = (...transitions: Parameters<typeof wal.commit>[0]['transitions']) => {
    number += 1;
    return wal.commit({ shard: 0, epoch, incarnation: 'owner', number, transitions });
  };
  const again = (...transitions: Parameters<typeof wal.commit>[0]['transitions']) =>
    wal.commit({ shard: 0, epoch, incarnation: 'owner', number, transitions });
  return { wal, said, commit, again };
}

describe('the store of the simulated cluster', () => {
  it('hints at what is new in an inbox: to the owner that the offerer knows, or to all', async () => {
    const { wal, said } = await telling();
    await wal.offer(0, [offer(1, 'm1')], { depthMax: 0, owner: 'owner' });
    await wal.offer(0, [offer(1, 'm1')], { depthMax: 0, owner: 'owner' });
    await wal.offer(0, [offer(2, 'm2')]);
    await expect(wal.offer(0, [offer(9, 'm9')])).rejects.toThrow(/no gaps/);
    expect(said).toEqual([
      ['owner', { type: 'wake', shard: 0 }],
      ['*', { type: 'wake', shard: 0 }],
    ]);
  });

  it('tells how a message ended with the commit that leaves the line empty, once, and says so in its answer', async () => {
    const { wal, said, commit, again } = await telling();
    await wal.offer(0, [offer(1, 'm1', { replyTo: 'caller' }), offer(2, 'm2')]);
    await commit();
    await commit({ type: 'dispatch', seq: 1 }, { type: 'dispatch', seq: 2 });
    said.length = 0;
    const withRest = await commit({ type: 'complete', seq: 2 });
    expect(withRest.told).toBeUndefined();
    const done = await commit({ type: 'complete', seq: 1, reply: '7', keepVerdict: true });
    expect(done.told).toEqual(new Map([['m1', 'caller']]));
    expect((await again({ type: 'complete', seq: 1, reply: '7', keepVerdict: true })).told).toBeUndefined();
    expect(said).toEqual([['caller', { type: 'verdict', id: 'm1', verdict: { state: 'completed', reply: '7' } }]]);
  });

  it('leaves to the owner what ends while more is in line, and what is not to be told as it is stored', async () => {
    const { wal, said, commit } = await telling();
    await wal.offer(0, [offer(1, 'm1', { replyTo: 'caller' }), offer(2, 'm2', { replyTo: 'caller' })]);
    await commit();
    await commit({ type: 'dispatch', seq: 1 }, { type: 'dispatch', seq: 2 });
    said.length = 0;
    await commit({ type: 'complete', seq: 1, keepVerdict: true });
    await commit({ type: 'complete', seq: 2, keepVerdict: true, untold: true });
    expect(said).toEqual([]);
  });

  it('tells of what comes and ends in one commit, and nothing again of what had ended before', async () => {
    const { wal, said, commit } = await telling();
    const append = { type: 'append', message: message('m1', { replyTo: 'caller' }) } as const;
    await commit({ ...append, dispatch: true, completes: { reply: '7', keepVerdict: true } });
    await wal.offer(0, [offer(1, 'm1', { replyTo: 'caller' })]);
    said.length = 0;
    await commit();
    expect(said).toEqual([]);
    await commit({ type: 'append', message: message('m2', { replyTo: 'caller' }) }, { type: 'cancel', id: 'm2' });
    expect(said).toMatchObject([['caller', { type: 'verdict', id: 'm2', verdict: { state: 'cancelled' } }]]);
  });

  it('leaves many verdicts, and large ones, to the owner', async () => {
    const { said, commit } = await telling();
    const ids = Array.from({ length: 17 }, (_, at) => `m${at}`);
    await commit(
      ...ids.map((id) => ({ type: 'append', message: message(id, { replyTo: 'caller' }), dispatch: true }) as const),
    );
    await commit(...ids.map((_, at) => ({ type: 'complete', seq: at + 1, keepVerdict: true }) as const));
    await commit({ type: 'append', message: message('large', { replyTo: 'caller' }), dispatch: true });
    const reply = JSON.stringify('x'.repeat(20_000));
    await commit({ type: 'complete', seq: 18, keepVerdict: true, reply });
    expect(said).toEqual([]);
  });

  it('tells failures, and nothing of a commit that is refused', async () => {
    const { wal, said, commit } = await telling();
    await wal.offer(0, [offer(1, 'm1', { replyTo: 'caller' })]);
    await commit();
    await commit({ type: 'dispatch', seq: 1 });
    said.length = 0;
    const error = { name: 'Error', message: 'no' };
    const stale = wal.commit({ ...{ shard: 0, epoch: 0, incarnation: 'other', number: 1 }, transitions: [] });
    await expect(stale).rejects.toMatchObject({ name: 'StaleEpochError' });
    expect(said).toEqual([]);
    await commit({ type: 'fail', seq: 1, error });
    expect(said).toEqual([['caller', { type: 'verdict', id: 'm1', verdict: { state: 'failed', error } }]]);
  });
});
