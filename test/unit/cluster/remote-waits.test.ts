import { describe, expect, it } from 'vitest';
import { RemoteWaits } from '../../../src/cluster/remote-waits.js';
import { ReplyWaiter } from '../../../src/entity/reply-waiter.js';
import { Deadlines } from '../../../src/runtime/deadlines.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import type { StatusRecord } from '../../../src/wal/wal.js';

function make(status: () => Promise<StatusRecord | undefined> = async () => undefined) {
  const runtime = new VirtualRuntime({ seed: 1 });
  const { clock, timers } = runtime;
  const deadlines = new Deadlines(clock, timers);
  const heard: unknown[] = [];
  const waits = new RemoteWaits({
    wal: { status, offerMark: async () => 0 },
    clock,
    timers,
    keptMs: 60_000,
    answer: (waiter, _subject, verdict) => waiter.answer(verdict.state),
  });
  const waiter = (name: string): ReplyWaiter =>
    new ReplyWaiter(
      (reply) => heard.push([name, reply]),
      (error) => heard.push([name, error.message]),
      deadlines,
      0,
      () => {},
      undefined,
    );
  return { waits, waiter, heard, runtime };
}

type Made = ReturnType<typeof make>;

describe('waits for messages that another node runs', () => {
  it('answer everyone who waits for the same message, e.g. under one messageId (I5)', () => {
    const { waits, waiter, heard } = make();
    waits.add(0, 'm1', {}, waiter('first'));
    waits.add(0, 'm1', {}, waiter('second'));
    expect(waits.deliver('m1', { state: 'completed' })).toBe(true);
    expect(heard).toEqual([
      ['first', 'completed'],
      ['second', 'completed'],
    ]);
    expect(waits.size).toBe(0);
  });

  it('keep the first when a later one has been answered otherwise, and end all of them with the node (I5)', () => {
    const { waits, waiter, heard } = make();
    const late = waiter('late');
    waits.add(0, 'm1', {}, waiter('first'));
    waits.add(0, 'm1', {}, late);
    late.fail(new Error('timed out'));
    waits.failAll((id) => new Error(`${id} is elsewhere`));
    expect(heard).toEqual([
      ['late', 'timed out'],
      ['first', 'm1 is elsewhere'],
    ]);
  });

  /** How long after it was added a wait is looked for in the store first, milliseconds. */
  async function firstLookOf({ waits, waiter, runtime }: Made, looks: number[], id: string): Promise<number> {
    const addedAt = runtime.clock.monotonic();
    waits.add(0, id, {}, waiter(id));
    const before = looks.length;
    while (looks.length === before) await runtime.advance(10);
    return (looks[before] as number) - addedAt;
  }

  async function endedByHints({ waits, waiter, runtime }: Made, count: number, afterMs: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      waits.add(0, `hinted ${n}`, {}, waiter(''));
      await runtime.advance(afterMs);
      waits.deliver(`hinted ${n}`, { state: 'completed' });
    }
  }

  it('look after 250 ms, later where hints end waits after longer than that, and within 2 s always (I5)', async () => {
    const looks: number[] = [];
    const made = make(async () => {
      looks.push(made.runtime.clock.monotonic());
      return undefined;
    });
    expect(await firstLookOf(made, looks, 'a')).toBeLessThanOrEqual(300);
    made.waits.forget('a');
    await endedByHints(made, 100, 200);
    const patient = await firstLookOf(made, looks, 'b');
    expect(patient).toBeGreaterThan(780);
    expect(patient).toBeLessThanOrEqual(850);
    made.waits.forget('b');
    await endedByHints(made, 100, 240);
    await endedByHints(made, 100, 10_000);
    expect(await firstLookOf(made, looks, 'c')).toBeLessThanOrEqual(2_050);
    made.waits.stop();
  });

  it('trust hints less when a look finds what none has told', async () => {
    const looks: number[] = [];
    const made = make(async () => {
      looks.push(made.runtime.clock.monotonic());
      return { id: '', state: 'completed', entityType: '', entityId: '', attempt: 1, verdict: { state: 'completed' } };
    });
    await endedByHints(made, 100, 200);
    const found = [];
    for (const id of ['a', 'b', 'c']) found.push(await firstLookOf(made, looks, id));
    expect(found[0]).toBeGreaterThan(780);
    expect(found[1]).toBeLessThanOrEqual(450);
    expect(found[2]).toBeLessThanOrEqual(300);
    expect(made.heard.slice(-3)).toEqual([
      ['a', 'completed'],
      ['b', 'completed'],
      ['c', 'completed'],
    ]);
    made.waits.stop();
  });
});
