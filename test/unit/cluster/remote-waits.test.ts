import { describe, expect, it } from 'vitest';
import { RemoteWaits } from '../../../src/cluster/remote-waits.js';
import { ReplyWaiter } from '../../../src/entity/reply-waiter.js';
import { Deadlines } from '../../../src/runtime/deadlines.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

function make() {
  const { clock, timers } = new VirtualRuntime({ seed: 1 });
  const deadlines = new Deadlines(clock, timers);
  const heard: unknown[] = [];
  const waits = new RemoteWaits({
    wal: { status: async () => undefined, offerMark: async () => 0 },
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
  return { waits, waiter, heard };
}

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
});
