import { describe, expect, it } from 'vitest';
import { RemoteWaits } from '../../../src/cluster/remote-waits.js';
import { ReplyWaiter } from '../../../src/entity/reply-waiter.js';
import { Deadlines } from '../../../src/runtime/deadlines.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import type { StatusRecord } from '../../../src/wal/wal.js';

type Status = (id: string) => Promise<StatusRecord | undefined>;

interface Store {
  /** Where a message is, its inbox included. */
  readonly status?: Status;
  readonly statuses?: (shard: number, ids: readonly string[]) => Promise<readonly (StatusRecord | undefined)[]>;
  readonly offerMark?: (shard: number, session: string) => Promise<number>;
}

function make(status: Status = async () => undefined, store: Store = {}) {
  const { status: anywhere = status, ...rest } = store;
  const runtime = new VirtualRuntime({ seed: 1 });
  const { clock, timers } = runtime;
  const deadlines = new Deadlines(clock, timers);
  const heard: unknown[] = [];
  const waits = new RemoteWaits({
    wal: {
      status: (_shard, id) => anywhere(id),
      statuses: (_shard, ids) => Promise.all(ids.map(status)),
      offerMark: async () => 0,
      ...rest,
    },
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

  function completed(id: string): StatusRecord {
    return { id, state: 'completed', entityType: '', entityId: '', attempt: 1, verdict: { state: 'completed' } };
  }

  it('ask for all that are due in a shard together, at most 500 of them, and once at a time (I5)', async () => {
    const asked: [shard: number, ids: number][] = [];
    const opens: (() => void)[] = [];
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (shard, ids) => {
        asked.push([shard, ids.length]);
        if (shard === 1) await new Promise<void>((open) => opens.push(open));
        return ids.map((id) => completed(id));
      },
    });
    for (let n = 0; n < 1_200; n++) waits.add(1, `m${n}`, {}, waiter(`m${n}`));
    waits.add(2, 'other', {}, waiter('other'));
    await runtime.advance(1_000);
    expect(asked).toEqual([
      [1, 500],
      [2, 1],
    ]);
    expect(heard).toEqual([['other', 'completed']]);
    for (const left of [700, 200, 0]) {
      opens.pop()?.();
      await runtime.advance(100);
      expect(waits.size).toBe(left);
    }
    expect(asked.slice(2)).toEqual([
      [1, 500],
      [1, 200],
    ]);
    waits.stop();
  });

  it('do not ask where a message is whose offer stands in the inbox, and ask once for the mark of a session (M2)', async () => {
    const asked: (readonly string[])[] = [];
    const marks: string[] = [];
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        asked.push(ids);
        return ids.map((id) => completed(id));
      },
      offerMark: async (_shard, session) => {
        marks.push(session);
        return 2;
      },
    });
    for (let n = 1; n <= 4; n++) {
      waits.add(0, `m${n}`, {}, waiter(`m${n}`), 'offering');
      waits.offered(`m${n}`, { session: 's', number: n }, undefined);
    }
    await runtime.advance(300);
    expect([asked, marks]).toEqual([[['m1', 'm2']], ['s']]);
    expect(heard.length).toBe(2);
    waits.stop();
  });

  it('end as indeterminate when the message is nowhere, and go on when an inbox has it (I5)', async () => {
    let isOffered = true;
    const offered: StatusRecord = {
      id: 'm1',
      state: 'enqueued',
      entityType: '',
      entityId: '',
      attempt: 0,
      isOffered: true,
    };
    const { waits, waiter, heard, runtime } = make(undefined, {
      status: async () => (isOffered ? offered : undefined),
    });
    waits.add(0, 'm1', {}, waiter('first'));
    await runtime.advance(20_000);
    expect([heard, waits.size]).toEqual([[], 1]);
    isOffered = false;
    await runtime.advance(20_000);
    expect(heard).toEqual([['first', expect.stringContaining('the store knows no verdict of it')]]);
    expect(waits.size).toBe(0);
    waits.stop();
  });

  it('ask a store again that could not be read', async () => {
    let fails = true;
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        if (fails) throw new Error('away');
        return ids.map((id) => completed(id));
      },
    });
    waits.add(0, 'm1', {}, waiter('first'));
    await runtime.advance(2_000);
    expect(heard).toEqual([]);
    fails = false;
    await runtime.advance(2_100);
    expect(heard).toEqual([['first', 'completed']]);
    waits.stop();
  });

  function pending(id: string): StatusRecord {
    return { id, state: 'enqueued', entityType: '', entityId: '', attempt: 0 };
  }

  it('find each in its turn where more wait than one look asks for (I5)', async () => {
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        await new Promise<void>((done) => runtime.timers.set(done, 400));
        return ids.map((id) => (id === 'last' ? completed(id) : pending(id)));
      },
    });
    for (let n = 0; n < 2_600; n++) waits.add(0, `m${n}`, {}, waiter(`m${n}`));
    waits.add(0, 'last', {}, waiter('last'));
    await runtime.advance(3_500);
    expect(heard).toEqual([['last', 'completed']]);
    waits.stop();
  });

  it('neither fail with one that cannot be looked up, nor wait for it', async () => {
    const { waits, waiter, heard, runtime } = make(undefined, {
      status: () => new Promise(() => {}),
      statuses: async (_shard, ids) => ids.map((id) => (id.startsWith('done') ? completed(id) : undefined)),
    });
    waits.add(0, 'gone', {}, waiter('gone'));
    await runtime.advance(10_000);
    waits.add(0, 'done', {}, waiter('done'));
    await runtime.advance(2_100);
    expect(heard).toEqual([['done', 'completed']]);
    waits.stop();
  });

  it('are found beside one whose record makes every look at it fail', async () => {
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        if (ids.includes('poison')) throw new Error('unreadable');
        return ids.map((id) => completed(id));
      },
    });
    for (let n = 0; n < 20; n++) waits.add(0, `m${n}`, {}, waiter(`m${n}`));
    waits.add(0, 'poison', {}, waiter('poison'));
    for (let n = 20; n < 40; n++) waits.add(0, `m${n}`, {}, waiter(`m${n}`));
    await runtime.advance(15_000);
    expect(heard.length).toBe(40);
    expect(waits.size).toBe(1);
    waits.stop();
  });

  it('take the hint that comes during a look, and leave who came under the same id meanwhile alone', async () => {
    const opens: (() => void)[] = [];
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        await new Promise<void>((open) => opens.push(open));
        return ids.map((id) => ({ ...completed(id), verdict: { state: 'cancelled' } as const }));
      },
    });
    waits.add(0, 'm1', {}, waiter('first'));
    await runtime.advance(300);
    waits.deliver('m1', { state: 'completed' });
    waits.add(0, 'm1', {}, waiter('second'));
    opens.pop()?.();
    await runtime.advance(10);
    expect(heard).toEqual([['first', 'completed']]);
    expect(waits.size).toBe(1);
    waits.stop();
  });

  it('tell the marks of several sessions apart, and heed an offer that is made during a look (M2)', async () => {
    const asked: (readonly string[])[] = [];
    const opens: (() => void)[] = [];
    const { waits, waiter, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        asked.push(ids);
        return ids.map((id) => pending(id));
      },
      offerMark: async (_shard, session) => {
        if (session === 'c') await new Promise<void>((open) => opens.push(open));
        return session === 'b' ? 0 : 9;
      },
    });
    for (const session of ['a', 'b', 'c']) {
      waits.add(0, session, {}, waiter(session), 'offering');
      waits.offered(session, { session, number: 5 }, undefined);
    }
    await runtime.advance(300);
    waits.offered('c', { session: 'b', number: 6 }, undefined);
    opens.pop()?.();
    await runtime.advance(10);
    expect(asked).toEqual([['a', 'c']]);
    asked.length = 0;
    await runtime.advance(3_000);
    expect(asked.flat().every((id) => id === 'a')).toBe(true);
    waits.stop();
  });

  it('send what may be known under another id again, but not once its verdict may be forgotten (I2)', async () => {
    const { waits, waiter, heard, runtime } = make(undefined, { offerMark: async () => 1 });
    let sent = 0;
    waits.add(0, 'm1', {}, waiter('first'), 'offering');
    waits.offered('m1', { session: 's', number: 1 }, () => {
      sent += 1;
    });
    await runtime.advance(2_100);
    expect(sent).toBeGreaterThan(0);
    await runtime.advance(60_000);
    const before = sent;
    await runtime.advance(20_000);
    expect(sent).toBe(before);
    expect(heard).toEqual([['first', expect.stringContaining('the store knows no verdict of it')]]);
    waits.stop();
  });

  it('go on where a store that was rolled back has the offer in an inbox again (M8)', async () => {
    let mark = 1;
    let sent = 0;
    const { waits, waiter, heard, runtime } = make(undefined, { offerMark: async () => mark });
    waits.add(0, 'm1', {}, waiter('first'), 'offering');
    waits.offered('m1', { session: 's', number: 1 }, () => {
      sent += 1;
      mark = 0;
    });
    await runtime.advance(30_000);
    expect([sent, heard, waits.size]).toEqual([1, [], 1]);
    waits.stop();
  });

  it('do not end while their offer has not been answered, or is made anew (I5)', async () => {
    const opens: (() => void)[] = [];
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        if (ids.includes('anew')) await new Promise<void>((open) => opens.push(open));
        return ids.map(() => undefined);
      },
      offerMark: async (_shard, session) => (session === 'old' ? 1 : 0),
    });
    waits.add(0, 'unanswered', {}, waiter('unanswered'), 'offering');
    await runtime.advance(30_000);
    waits.forget('unanswered');
    waits.add(0, 'anew', {}, waiter('anew'), 'offering');
    waits.offered('anew', { session: 'old', number: 1 }, undefined);
    for (let looks = 0; looks < 5; looks++) {
      await runtime.advance(2_100);
      waits.offered('anew', { session: 'new', number: looks + 1 }, undefined);
      opens.pop()?.();
      await runtime.advance(10);
      waits.offered('anew', { session: 'old', number: 1 }, undefined);
    }
    expect([heard, waits.size]).toEqual([[], 1]);
    waits.stop();
  });

  it('end only when nothing was found in three looks in a row, each later than the one before', async () => {
    const looks: number[] = [];
    const { waits, waiter, heard, runtime } = make(undefined, {
      statuses: async (_shard, ids) => {
        looks.push(runtime.clock.monotonic());
        return ids.map((id) => (looks.length === 3 ? pending(id) : undefined));
      },
    });
    waits.add(0, 'm1', {}, waiter('first'));
    await runtime.advance(30_000);
    expect(looks.length).toBe(6);
    expect(heard.length).toBe(1);
    const gaps = looks.slice(1).map((at, index) => at - (looks[index] as number));
    for (const [index, least] of [500, 1_000, 2_000, 2_000, 2_000].entries())
      expect(gaps[index]).toBeGreaterThanOrEqual(least);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_100);
    waits.stop();
  });
});
