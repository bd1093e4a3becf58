/** What operators were told, held against what happened then; and queries, which are told of by who runs them. */
import { expect, it } from 'vitest';
import type { HistoryEvent, HistoryFact } from '../../../src/testing/history.js';
import { checkHistory } from '../../../src/testing/history-checker.js';

const line = { entityType: 'plain', entityId: 'a', kind: 'command' } as const;

const send = (call: string): HistoryFact[] => [
  { type: 'enqueueCalled', call, wait: false, ...line },
  { type: 'accepted', id: `m${call}`, call, ...line },
  { type: 'enqueueResolved', call, id: `m${call}` },
];
const mark = (id: string): HistoryFact => ({ type: 'dispatched', id, attempt: 1 });
const start = (id: string): HistoryFact => ({ type: 'started', id, attempt: 1, ...line });
const called = (call: string, action: 'pause' | 'resume', entityId?: string): HistoryFact => ({
  type: 'operatorCalled',
  call,
  action,
  entityType: 'plain',
  entityId,
});
const about = (call: string, action: 'cancel' | 'skip' | 'purge' | 'replay', id: string): HistoryFact => ({
  type: 'operatorCalled',
  call,
  action,
  id,
});
const answered = (call: string, more: { done?: boolean; newId?: string } = {}): HistoryFact => ({
  type: 'operatorAnswered',
  call,
  done: true,
  ...more,
});
const final = (pending: readonly string[], letters: readonly string[]): HistoryFact => ({
  type: 'final',
  pending,
  deadLetters: letters.map((id) => ({ id, reason: 'failed' })),
});

/** The violations of a history of one node, in words. */
function judged(...facts: readonly HistoryFact[]): readonly string[] {
  const all: readonly HistoryFact[] = [{ type: 'nodeStarted' }, ...facts];
  const events = all.map((fact, index) => ({ ...fact, node: 'n', seq: index + 1 }) as HistoryEvent);
  return checkHistory(events).violations.map(({ invariant, words }) => `${invariant} ${words}`);
}

it.each(['a', undefined])('finds a start after the pause of its line, or its type, was acknowledged', (entityId) => {
  const found = judged(...send('1'), called('p', 'pause', entityId), answered('p'), mark('m1'), start('m1'));
  expect(found).toEqual([expect.stringMatching(/^I4 command m1 started on plain\/a although .* is paused/)]);
});

it('finds a query that starts in a paused line', () => {
  const found = judged(called('p', 'pause', 'a'), answered('p'), { ...start('q'), kind: 'query' } as HistoryFact);
  expect(found[0]).toMatch(/^I4 query q started on plain\/a/);
});

it('lets go on what was marked as started before the pause', () => {
  expect(judged(...send('1'), mark('m1'), called('p', 'pause', 'a'), answered('p'), start('m1'))).toEqual([]);
});

it('claims nothing of a pause without an answer, nor of one that somebody undid at the same time, perhaps later', () => {
  const runs = [mark('m1'), start('m1')];
  expect(judged(...send('1'), called('p', 'pause', 'a'), ...runs)).toEqual([]);
  const later = [called('p', 'pause', 'a'), answered('p'), called('r', 'resume', 'a')];
  expect(judged(...send('1'), ...later, ...runs)).toEqual([]);
  const meanwhile = [called('p', 'pause', 'a'), called('r', 'resume', 'a'), answered('r'), answered('p')];
  expect(judged(...send('1'), ...meanwhile, ...runs)).toEqual([]);
  const lost = [called('r', 'resume', 'a'), called('p', 'pause', 'a'), answered('p')];
  expect(judged(...send('1'), ...lost, ...runs)).toEqual([]);
});

it('finds a pause that comes after a resumption which was answered', () => {
  const before = [called('r', 'resume', 'a'), answered('r'), called('p', 'pause', 'a'), answered('p')];
  expect(judged(...send('1'), ...before, mark('m1'), start('m1'))).toHaveLength(1);
});

it.each(['cancel', 'skip'] as const)('finds a message that runs although its %s was acknowledged', (action) => {
  const found = judged(...send('1'), about('c', action, 'm1'), answered('c'), mark('m1'), start('m1'));
  expect(found).toEqual([expect.stringMatching(/^I2 m1 started although an operator had been told/)]);
});

it('finds a message that is still in line although its withdrawal was acknowledged', () => {
  const told = [...send('1'), about('c', 'cancel', 'm1')];
  expect(judged(...told, answered('c'), final(['m1'], []))).toEqual([
    "I5 an operator was told that 'cancel' of m1 was done, but it is still in line.",
  ]);
  expect(judged(...told, answered('c', { done: false }), final(['m1'], []))).toEqual([]);
  expect(judged(...told, final(['m1'], []))).toEqual([]);
});

it('finds a dead letter that is there although it was purged, and a replay of which nothing came', () => {
  const failed: HistoryFact[] = [
    ...send('1'),
    mark('m1'),
    start('m1'),
    { type: 'handlerEnded', id: 'm1', attempt: 1, ok: false },
    { type: 'ended', id: 'm1', state: 'failed' },
  ];
  expect(judged(...failed, about('c', 'purge', 'm1'), answered('c'), final([], ['m1']))).toEqual([
    expect.stringMatching(/^I7 an operator was told that the dead letter m1 is gone for good/),
  ]);
  const replay: HistoryFact[] = [{ type: 'replayCalled', id: 'm1' }, about('c', 'replay', 'm1')];
  expect(judged(...failed, ...replay, answered('c', { newId: 'm2' }), final([], []))).toEqual([
    expect.stringMatching(/^I1 an operator was told that m1 was replayed as m2/),
  ]);
  expect(judged(...failed, ...replay, final([], []))).toEqual([]);
});

it('finds a command that overtakes a query which was accepted before it was called', () => {
  const query = { ...line, kind: 'query' } as const;
  const found = judged(
    { type: 'enqueueCalled', call: 'q', wait: true, ...query },
    { type: 'accepted', id: 'q', call: 'q', ...query },
    ...send('2'),
    mark('m2'),
    start('m2'),
    { type: 'handlerEnded', id: 'm2', attempt: 1, ok: true },
    { ...start('q'), kind: 'query' } as HistoryFact,
  );
  expect(found).toEqual([expect.stringMatching(/^I4 command m2 started before query q/)]);
});
