import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LifecycleEvents, MessageSubject } from '../../../src/entity/lifecycle-events.js';
import { AtomicQueuesError } from '../../../src/message/errors.js';
import { TypedEvents } from '../../../src/runtime/typed-events.js';
import type { HistoryEvent } from '../../../src/testing/history.js';
import { checkHistory } from '../../../src/testing/history-checker.js';
import {
  formatHistoryEvent,
  HistoryBuffer,
  HistoryFile,
  parseHistory,
  readHistoryFile,
} from '../../../src/testing/history-log.js';
import { HistoryRecorder } from '../../../src/testing/history-recorder.js';
import { recordFinal, recordWal } from '../../../src/testing/history-recording-wal.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import { outboxSession, type Transition } from '../../../src/wal/transition.js';
import { runToy } from './toy-engine.js';
import { TOY_RULES } from './toy-world.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'history-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a history as JSON lines', () => {
  it('is the same history when it has been written and read', () => {
    const { events } = runToy(3);
    const lines = events.map(formatHistoryEvent).join('').split('\n');
    expect(checkHistory(parseHistory(lines), TOY_RULES)).toEqual(checkHistory(events, TOY_RULES));
  });

  it('forgives the line that a kill cut, at the end and before the next process', () => {
    const path = join(folder, 'log');
    const first = new HistoryRecorder({ node: 'a', sink: new HistoryFile(path) });
    first.start();
    appendFileSync(path, '{"type":"acce');
    const second = new HistoryRecorder({ node: 'a', sink: new HistoryFile(path), life: '2' });
    second.start();
    appendFileSync(path, '{"type":"sta');
    expect(readHistoryFile(path).map((event) => event.type)).toEqual(['nodeStarted', 'nodeStarted']);
  });

  it('refuses a log that is damaged elsewhere', () => {
    expect(() => [
      ...parseHistory(['{"type":"nodeStarted","node":"a","seq":1}', '{"typ', '{"type":"quiescent"}']),
    ]).toThrow('Line 2');
  });
});

describe('HistoryRecorder', () => {
  const address = (message: { readonly id: string }) => ({
    entityType: 'account',
    entityId: message.id,
    kind: 'command' as const,
  });

  it('records calls, answers and refusals of a bus', async () => {
    const sink = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'a', sink, now: () => 7 });
    const failed = new AtomicQueuesError('HANDLER_FAILED', 'no', { subject: { messageId: 'm3' } });
    const full = new AtomicQueuesError('QUEUE_DEPTH_EXCEEDED', 'full');
    const replies = [Promise.resolve(5), Promise.reject(failed), Promise.reject(full)];
    const bus = recorder.wrapBus<{ readonly id: string }, { readonly delayMs?: number }>(
      { enqueue: async () => ({ id: 'm1' }), enqueueAndWait: () => replies.shift() as Promise<unknown> },
      { address },
    );
    await bus.enqueue({ id: 'x' }, { delayMs: 5 });
    await bus.enqueueAndWait({ id: 'x' });
    await expect(bus.enqueueAndWait({ id: 'x' })).rejects.toBe(failed);
    await expect(bus.enqueueAndWait({ id: 'x' })).rejects.toBe(full);
    expect(sink.events).toMatchObject([
      {
        type: 'enqueueCalled',
        call: 'a.1.1',
        wait: false,
        delayed: true,
        entityType: 'account',
        entityId: 'x',
        at: 7,
        seq: 1,
      },
      { type: 'enqueueResolved', call: 'a.1.1', id: 'm1' },
      { type: 'enqueueCalled', call: 'a.1.2', wait: true },
      { type: 'answered', call: 'a.1.2', state: 'completed', reply: '5' },
      { type: 'enqueueCalled', call: 'a.1.3' },
      { type: 'answered', call: 'a.1.3', state: 'failed', id: 'm3' },
      { type: 'enqueueCalled', call: 'a.1.4' },
      { type: 'enqueueRejected', call: 'a.1.4', code: 'QUEUE_DEPTH_EXCEEDED' },
    ]);
  });

  it('records the lifecycle of an engine as a history without violations', () => {
    const sink = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'a', sink });
    const events = new TypedEvents<LifecycleEvents>();
    const stop = recorder.recordLifecycle(events, { durableFacts: true });
    const subject: MessageSubject = {
      id: 'm1',
      kind: 'command',
      entityType: 'account',
      entityId: 'x',
      name: 'Withdraw',
    };
    recorder.start();
    events.emit('accepted', { ...subject, at: 1 });
    events.emit('started', { ...subject, attempt: 1, fencingToken: '1-1', at: 2 });
    events.emit('settled', { ...subject, attempt: 1, ok: true, durationMs: 1 });
    events.emit('ended', { ...subject, state: 'completed', attempt: 1, at: 3 });
    stop();
    events.emit('accepted', { ...subject, id: 'm2', at: 4 });
    expect(sink.events.map((event) => event.type)).toEqual([
      'nodeStarted',
      'accepted',
      'dispatched',
      'started',
      'handlerEnded',
      'ended',
    ]);
    expect(checkHistory(sink.events, { closedWorld: false }).ok).toBe(true);
    expect(checkHistory(sink.events).violations.map((each) => each.invariant)).toEqual(['I2']);
  });
});

describe('recordWal', () => {
  const message = (id: string, messageId?: string) => ({
    id,
    kind: 'command' as const,
    entityType: 'account',
    entityId: 'x',
    name: 'Withdraw',
    payload: JSON.stringify({ call: `call-${id}` }),
    messageId,
  });

  it('writes what the store has confirmed, restarts and stale owners included, and its final state', async () => {
    const { clock } = new VirtualRuntime({ startAtMs: 1_000 });
    const sink = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'a', sink });
    const callOf = ({ payload }: { readonly payload: string }) =>
      (JSON.parse(payload) as { readonly call: string }).call;
    recorder.start();
    const store = new MemoryWal({ clock });
    const wal = recordWal(store, recorder, callOf);
    await wal.start();
    const { epoch } = await wal.open(0, 'one');
    const error = { name: 'Error', message: 'no' };
    const commit = (number: number, transitions: readonly Transition[], owner = { epoch, incarnation: 'one' }) =>
      wal.commit({ shard: 0, ...owner, number, transitions });
    await commit(1, [
      { type: 'append', message: message('m1', 'key'), dispatch: true },
      { type: 'append', message: message('m2', 'key') },
      { type: 'append', message: message('m3') },
      { type: 'append', message: message('m4'), delayMs: 50 },
    ]);
    await commit(2, [{ type: 'retry', seq: 1, delayMs: 0, error }]);
    await commit(3, [{ type: 'dispatch', seq: 1 }]);
    // A second owner, which never saw the first one's appends, still knows the message that it interrupts.
    const later = recordWal(store, recorder, callOf);
    const second = await later.open(0, 'two');
    await expect(commit(4, [{ type: 'complete', seq: 1 }])).rejects.toThrow('epoch');
    await later.commit({
      shard: 0,
      epoch: second.epoch,
      incarnation: 'two',
      number: 1,
      transitions: [
        { type: 'interrupt', seq: 1 },
        { type: 'replay', id: 'm1', newId: 'm5' },
        { type: 'cancel', id: 'm3' },
      ],
    });
    await recordFinal(store, recorder, [0]);
    const facts = sink.events.filter(({ type }) => !type.startsWith('commit') && type !== 'final');
    expect(facts.map((event) => [event.type, 'id' in event ? event.id : undefined])).toEqual([
      ['nodeStarted', undefined],
      ['opened', undefined],
      ['accepted', 'm1'],
      ['dispatched', 'm1'],
      ['linked', 'm1'],
      ['accepted', 'm3'],
      ['accepted', 'm4'],
      ['retried', 'm1'],
      ['dispatched', 'm1'],
      ['opened', undefined],
      ['replayCalled', 'm1'],
      ['ended', 'm1'],
      ['replayed', 'm1'],
      ['ended', 'm3'],
    ]);
    expect(sink.events.filter(({ type }) => type === 'final')).toMatchObject([
      { counts: { accepted: 4, pending: 2, interrupted: 1, cancelled: 1, deadLetters: 0 }, pending: ['m4'] },
      { pending: ['m5'] },
    ]);
    // The engine here withdrew m3 on its own account, which is the one thing that the history holds against it.
    const report = checkHistory(sink.events, { closedWorld: false });
    expect(report.violations.map(({ invariant, messageId }) => [invariant, messageId])).toEqual([['I8', 'm3']]);
  });

  it('writes what was never marked, sent, repeated, replaced or blocked as what became durable (I2, M15, M17)', async () => {
    const { clock } = new VirtualRuntime({ startAtMs: 1_000 });
    const sink = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'a', sink });
    const store = new MemoryWal({ clock });
    const wal = recordWal(store, recorder);
    recorder.start();
    await wal.start();
    const { epoch } = await wal.open(0, 'one');
    const error = { name: 'Error', message: 'no' };
    let number = 0;
    const commit = (...transitions: readonly Transition[]) => {
      number += 1;
      return wal.commit({ shard: 0, epoch, incarnation: 'one', number, transitions });
    };
    const reminder = { ...message('r1'), recurrence: '{}' };
    const run = (id: string, attempt: number, ok: boolean) => {
      recorder.record({ type: 'started', id, kind: 'command', entityType: 'account', entityId: 'x', attempt, epoch });
      recorder.record({ type: 'handlerEnded', id, attempt, ok });
    };
    const outgoing = ['o1', 'o2'].map((id, targetShard) => ({
      targetShard,
      append: { type: 'append', message: message(id) } as const,
    }));
    await commit({ type: 'append', message: message('m1') }, { type: 'append', message: message('m2') });
    run('m1', 1, false);
    await commit({ type: 'retry', seq: 1, starts: true, delayMs: 0, error });
    run('m1', 2, true);
    run('m2', 1, false);
    await commit({ type: 'complete', seq: 1, starts: true, outgoing }, { type: 'block', seq: 2, starts: true, error });
    await commit({ type: 'skip', id: 'm2' }, { type: 'unblock', id: 'm2' });
    await commit({ type: 'append', message: reminder }, { type: 'append', message: reminder, replace: true });
    await commit({ type: 'promote', id: 'r1', again: { newId: 'c1', notBefore: 9_000 } });
    await wal.offer(0, [
      { session: outboxSession(3, 7), number: 1, transition: { type: 'append', message: message('o9') } },
    ]);
    await commit();
    await recordFinal(store, recorder, [0]);
    const facts = sink.events.filter(({ type }) => !type.startsWith('commit') && type !== 'final');
    expect(facts.map((event) => [event.type, ...('id' in event ? [event.id] : []), ...attemptOf(event)])).toEqual([
      ['nodeStarted'],
      ['opened'],
      ['accepted', 'm1'],
      ['accepted', 'm2'],
      ['started', 'm1', 1],
      ['handlerEnded', 'm1', 1],
      ['dispatched', 'm1', 1],
      ['retried', 'm1'],
      ['started', 'm1', 2],
      ['handlerEnded', 'm1', 2],
      ['started', 'm2', 1],
      ['handlerEnded', 'm2', 1],
      ['dispatched', 'm1', 2],
      ['ended', 'm1'],
      ['accepted', 'o1'],
      ['dispatched', 'm2', 1],
      ['blocked', 'm2'],
      ['ended', 'm2'],
      ['accepted', 'r1'],
      ['accepted', 'r1'],
      ['accepted', 'c1'],
      ['accepted', 'o9'],
    ]);
    expect(facts.flatMap((event) => (event.type === 'accepted' ? [event.from] : []))).toEqual([
      undefined,
      undefined,
      'handler',
      'reminder',
      'reminder',
      'reminder',
      'handler',
    ]);
    // Nobody wrote that m1 and m2 were enqueued; all else has its maker.
    const rules = { entityTypes: { account: { stateOnly: true, maxAttempts: 2 } } };
    expect(
      checkHistory(sink.events, rules).violations.map(({ invariant, messageId }) => [invariant, messageId]),
    ).toEqual([
      ['I2', 'm1'],
      ['I2', 'm2'],
    ]);
  });
});

function attemptOf(event: HistoryEvent): readonly number[] {
  return 'attempt' in event ? [event.attempt] : [];
}

describe('a state-only handler in a history', () => {
  const rules = { closedWorld: false, storeTold: true, entityTypes: { account: { stateOnly: true, maxAttempts: 2 } } };

  function history(act: (recorder: HistoryRecorder, start: (attempt: number, epoch: number) => void) => void) {
    const sink = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'a', sink });
    recorder.start();
    const subject = { id: 'm1', kind: 'command', entityType: 'account', entityId: 'x' } as const;
    recorder.record({ type: 'opened', shard: 0, epoch: 1 });
    recorder.record({ type: 'accepted', ...subject });
    act(recorder, (attempt, epoch) => recorder.record({ type: 'started', ...subject, attempt, shard: 0, epoch }));
    return checkHistory(sink.events, rules).violations.map(({ invariant }) => invariant);
  }
  const settled = { type: 'handlerEnded', id: 'm1', ok: true } as const;

  it('may start again under the same attempt when its owner is gone before anything was durable (I2)', () => {
    const crashes = history((recorder, start) => {
      for (let life = 1; life <= 6; life++) {
        start(1, life);
        recorder.record({ ...settled, attempt: 1 });
        recorder.record({ type: 'crashed' });
        recorder.start();
        recorder.record({ type: 'opened', shard: 0, epoch: life + 1 });
      }
      start(1, 7);
    });
    expect(crashes).toEqual([]);
    const takenOver = history((recorder, start) => {
      start(1, 1);
      recorder.record({ ...settled, attempt: 1 });
      recorder.record({ type: 'opened', shard: 0, epoch: 2 });
      start(1, 2);
    });
    expect(takenOver).toEqual([]);
  });

  it('loses no attempt by a mark that nothing was started under, and has no more attempts than it may (I2)', () => {
    const failed = (recorder: HistoryRecorder, attempt: number) => {
      recorder.record({ type: 'handlerEnded', id: 'm1', attempt, ok: false });
      recorder.record({ type: 'dispatched', id: 'm1', attempt });
      recorder.record({ type: 'retried', id: 'm1', reason: 'failed', notBefore: 0 });
    };
    const marked = history((recorder, start) => {
      start(1, 1);
      failed(recorder, 1);
      recorder.record({ type: 'dispatched', id: 'm1', attempt: 2 });
      recorder.record({ type: 'crashed' });
      recorder.start();
      recorder.record({ type: 'opened', shard: 0, epoch: 2 });
      recorder.record({ type: 'retried', id: 'm1', reason: 'interrupted', notBefore: 0 });
      recorder.record({ type: 'dispatched', id: 'm1', attempt: 3 });
      start(3, 2);
    });
    expect(marked).toEqual([]);
    const tooOften = history((recorder, start) => {
      for (const attempt of [1, 2]) {
        start(attempt, 1);
        failed(recorder, attempt);
      }
      start(3, 1);
    });
    expect(tooOften).toContain('I2');
  });

  it('runs again ahead of what ran behind it under a lost owner, unless that became durable (I2, I4)', () => {
    const overtaking = (outcome?: 'completed' | 'cancelled' | 'expired') => {
      const sink = new HistoryBuffer();
      const recorder = new HistoryRecorder({ node: 'a', sink });
      recorder.start();
      recorder.record({ type: 'opened', shard: 0, epoch: 1 });
      const line = { kind: 'command', entityType: 'account', entityId: 'x' } as const;
      for (const id of ['m1', 'm2']) {
        recorder.record({ type: 'enqueueCalled', call: id, wait: false, ...line });
        recorder.record({ type: 'accepted', id, call: id, ...line });
        recorder.record({ type: 'enqueueResolved', call: id, id });
      }
      for (const id of ['m1', 'm2']) {
        recorder.record({ type: 'started', id, ...line, attempt: 1, shard: 0, epoch: 1 });
        recorder.record({ type: 'handlerEnded', id, attempt: 1, ok: true });
      }
      if (outcome !== undefined) recorder.record({ type: 'ended', id: 'm2', state: outcome });
      recorder.record({ type: 'opened', shard: 0, epoch: 2 });
      recorder.record({ type: 'started', id: 'm1', ...line, attempt: 1, shard: 0, epoch: 2 });
      return checkHistory(sink.events, rules).violations.map(({ invariant }) => invariant);
    };
    expect(overtaking()).toEqual([]);
    expect(overtaking('completed')).toContain('I4');
    for (const withdrawn of ['cancelled', 'expired'] as const) expect(overtaking(withdrawn)).not.toContain('I4');
  });

  it('may start before it is accepted, and is not overtaken by what starts when it has run (I4)', () => {
    const early = (
      ...order: readonly (readonly [type: 'call' | 'start' | 'accept' | 'handled' | 'end', id: string])[]
    ) => {
      const sink = new HistoryBuffer();
      const recorder = new HistoryRecorder({ node: 'a', sink });
      recorder.start();
      recorder.record({ type: 'opened', shard: 0, epoch: 1 });
      const line = { kind: 'command', entityType: 'account', entityId: 'x' } as const;
      const attempt = { attempt: 1, shard: 0, epoch: 1 } as const;
      for (const [type, id] of order) {
        if (type === 'call') recorder.record({ type: 'enqueueCalled', call: id, wait: false, ...line });
        else if (type === 'start') recorder.record({ type: 'started', id, ...line, ...attempt });
        else if (type === 'accept') recorder.record({ type: 'accepted', id, call: id, ...line });
        else if (type === 'handled') recorder.record({ type: 'handlerEnded', id, attempt: 1, ok: true });
        else {
          recorder.record({ type: 'dispatched', id, ...attempt });
          recorder.record({ type: 'ended', id, state: 'completed' });
        }
      }
      return checkHistory(sink.events, rules).violations.map(({ invariant }) => invariant);
    };
    const [first, second] = ['m1', 'm2'];
    const begun = [
      ['call', first],
      ['start', first],
      ['accept', first],
      ['call', second],
      ['accept', second],
    ] as const;
    const ends = [
      ['end', first],
      ['handled', second],
      ['end', second],
    ] as const;
    expect(early(...begun, ['handled', first], ['start', second], ...ends)).not.toContain('I4');
    const overtaken = [
      ['call', first],
      ['accept', first],
      ['call', second],
      ['accept', second],
    ] as const;
    expect(early(...overtaken, ['start', second], ['handled', second], ['start', first])).toContain('I4');
  });

  it('starts neither twice under one owner, nor after its end was durable, nor more often than it may (I2)', () => {
    const twice = history((recorder, start) => {
      start(1, 1);
      recorder.record({ ...settled, attempt: 1 });
      start(1, 1);
    });
    expect(twice).toContain('I2');
    const afterEnd = history((recorder, start) => {
      start(1, 1);
      recorder.record({ ...settled, attempt: 1 });
      recorder.record({ type: 'ended', id: 'm1', state: 'completed' });
      recorder.record({ type: 'opened', shard: 0, epoch: 2 });
      start(1, 2);
    });
    expect(afterEnd).toContain('I2');
    const tooOften = history((recorder, start) => {
      for (const attempt of [1, 2, 3]) {
        start(attempt, 1);
        recorder.record({ ...settled, attempt, ok: false });
        recorder.record({ type: 'dispatched', id: 'm1', attempt });
        recorder.record({ type: 'retried', id: 'm1', reason: 'failed' });
      }
    });
    expect(tooOften).toContain('I2');
  });
});
