/** How the log of a chaos round is put in the order of the store: what a stopped process tells late, and lost answers. */
import { expect, it } from 'vitest';

interface LogEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

interface MergeScript {
  mergeLog(
    lines: readonly LogEvent[],
    finalEvents: readonly LogEvent[],
  ): {
    readonly history: readonly LogEvent[];
  };
}

const script = new URL('../../chaos/merge.mjs', import.meta.url).href;
const { mergeLog } = (await import(script)) as MergeScript;

const started = { type: 'started', id: 'm', attempt: 1, node: 'n1', seq: 3, at: 1_010 };
const handlerEnded = { type: 'handlerEnded', id: 'm', attempt: 1, node: 'n1', seq: 4, at: 7_010 };

/** n1 is stopped at 1,010 and awakes at 7,000; n2 opens its shard meanwhile. */
function stopped(late: readonly LogEvent[]): readonly LogEvent[] {
  return [
    { type: 'nodeStarted', node: 'n1', seq: 1, at: 900 },
    { type: 'nodeStarted', node: 'n2', seq: 1, at: 900 },
    { type: 'commitCalled', shard: 0, epoch: 1, number: 1, node: 'n1', seq: 1, at: 1_000 },
    { type: 'dispatched', id: 'm', attempt: 1, shard: 0, epoch: 1, node: 'n1', seq: 2, at: 1_005, via: '0/1/1' },
    { type: 'opened', shard: 0, epoch: 2, node: 'n2', seq: 2, at: 4_000 },
    { type: 'ended', id: 'm', state: 'interrupted', node: 'n2', seq: 3, at: 4_001, via: '0/2/1' },
    { type: 'enqueueCalled', call: 'c', node: 'n2', seq: 4, at: 6_990 },
    ...late,
    { type: 'stalled', ms: 5_990, node: 'n1', seq: 0, at: 7_000 },
  ];
}

const typesOf = (history: readonly LogEvent[], id: string): readonly unknown[] =>
  history.filter((event) => event['id'] === id).map(({ type }) => type);

it('places a start that was noted before the process was stopped, and written when it awoke, where it was noted', () => {
  const { history } = mergeLog(stopped([started, handlerEnded]), []);
  expect(typesOf(history, 'm')).toEqual(['dispatched', 'started', 'abandoned', 'ended']);
});

it('places the rest of a commit before the newer opening, when the process was stopped between two lines of it', () => {
  const [one, two, called, dispatched, opened, ended, other, stalled] = stopped([]) as readonly LogEvent[];
  const first = { type: 'ended', id: 'before', state: 'completed', node: 'n1', seq: 2, at: 1_005, via: '0/1/1' };
  const log = [one, two, called, first, opened, ended, other, dispatched, stalled] as readonly LogEvent[];
  const { history } = mergeLog(log, []);
  expect(typesOf(history, 'm')).toEqual(['dispatched', 'ended']);
  const types = history.map(({ type }) => type);
  expect(types.indexOf('ended')).toBeLessThan(types.indexOf('dispatched'));
  expect(types.indexOf('dispatched')).toBeLessThan(types.indexOf('opened'));
});

it('leaves the rest of a commit that was sent after the newer opening where it is', () => {
  const [one, two, called, dispatched, opened, ended, other, stalled] = stopped([]) as readonly LogEvent[];
  const log = [one, two, opened, ended, called, other, dispatched, stalled] as readonly LogEvent[];
  expect(typesOf(mergeLog(log, []).history, 'm')).toEqual(['ended', 'dispatched']);
});

it('leaves a start that was noted after the process awoke where it is', () => {
  const { history } = mergeLog(stopped([{ ...started, at: 7_005 }, handlerEnded]), []);
  expect(typesOf(history, 'm')).toEqual(['dispatched', 'ended', 'started', 'handlerEnded']);
});

it('hides no start that was made after another node had opened the shard, whatever its process did next', () => {
  const early = stopped([]).filter(({ node, at }) => node !== 'n2' || (at as number) <= 4_001);
  const { history } = mergeLog(
    [
      ...early.filter(({ type }) => type !== 'stalled'),
      { type: 'enqueueCalled', call: 'c', node: 'n2', seq: 4, at: 8_990 },
      { ...started, at: 5_000 },
      { type: 'stalled', ms: 3_990, node: 'n1', seq: 0, at: 9_000 },
    ],
    [],
  );
  expect(typesOf(history, 'm')).toEqual(['dispatched', 'ended', 'started']);
  expect(history.map(({ type }) => type).indexOf('opened')).toBeLessThan(history.length - 2);
});

const failing = (id: string): readonly LogEvent[] => [
  { type: 'nodeStarted', node: 'n1', seq: 1, at: 900 },
  { type: 'commitCalled', shard: 0, epoch: 1, number: 7, node: 'n1', seq: 2, at: 1_000 },
  { type: 'enqueueCalled', call: 'c', node: 'n1', seq: 3, at: 1_200 },
  { type: 'doubt', shard: 0, epoch: 1, number: 7, wishes: [{ t: 'fail', id }], node: 'n1', seq: 0, at: 1_300 },
];
const final = (reason: string): readonly LogEvent[] => [
  { type: 'final', counts: {}, pending: [], deadLetters: [{ id: 'm', reason }] },
];

it('knows by the dead letter that a commit with a failure was applied whose answer was lost', () => {
  const { history } = mergeLog(failing('m'), final('failed'));
  expect(history.map(({ type, state }) => state ?? type)).toEqual([
    'nodeStarted',
    'commitCalled',
    'failed',
    'enqueueCalled',
    'final',
  ]);
});

it('does not believe in the failure when the message was started again by someone who died before telling more', () => {
  const again = { type: 'dispatched', id: 'm', attempt: 2, shard: 0, epoch: 2, node: 'n2', seq: 1, at: 1_250 };
  const [begun, called, later, doubt] = failing('m') as readonly [LogEvent, LogEvent, LogEvent, LogEvent];
  const { history } = mergeLog([begun, called, later, again, doubt], final('failed'));
  expect(history.map(({ type }) => type)).not.toContain('ended');
});

it('does not believe in the failure when the message was interrupted later, or is no dead letter', () => {
  for (const [id, reason] of [
    ['m', 'interrupted'],
    ['other', 'failed'],
  ] as const) {
    expect(mergeLog(failing(id), final(reason)).history.map(({ type }) => type)).not.toContain('ended');
  }
});

/** n2 hears of a verdict whose commit n1 had to send twice, since the first answer was lost. */
const sentTwice = (answeredAfter: number): readonly LogEvent[] => {
  const log: LogEvent[] = [
    { type: 'enqueueCalled', call: 'c', node: 'n2', seq: 1, at: 990 },
    { type: 'accepted', id: 'm', call: 'c', node: 'n1', seq: 1, at: 995, via: '0/1/6' },
    { type: 'commitCalled', shard: 0, epoch: 1, number: 7, node: 'n1', seq: 2, at: 1_000 },
    {
      type: 'doubt',
      shard: 0,
      epoch: 1,
      number: 7,
      wishes: [{ t: 'complete', id: 'm' }],
      node: 'n1',
      seq: 0,
      at: 1_300,
    },
    { type: 'commitCalled', shard: 0, epoch: 1, number: 7, node: 'n1', seq: 3, at: 1_400 },
    { type: 'ended', id: 'm', state: 'completed', node: 'n1', seq: 4, at: 1_405, via: '0/1/7' },
  ];
  log.splice(answeredAfter, 0, { type: 'answered', call: 'c', state: 'completed', node: 'n2', seq: 2, at: 1_200 });
  return log;
};

it('places an answer behind the verdict when its commit was under way for the first time', () => {
  const types = mergeLog(sentTwice(3), []).history.map(({ type }) => type);
  expect(types.indexOf('answered')).toBe(types.indexOf('ended') + 1);
});

it('leaves an answer that came before the commit of its verdict was sent at all', () => {
  const types = mergeLog(sentTwice(2), []).history.map(({ type }) => type);
  expect(types.indexOf('answered')).toBeLessThan(types.indexOf('commitCalled'));
});

it('gives a volatile query its caller from its acceptance on, and stops its run where another node opens the shard', () => {
  const query = { id: 'q', kind: 'query', entityType: 'plain', entityId: 'e' };
  const { history } = mergeLog(
    [
      { type: 'nodeStarted', node: 'n1', seq: 1, at: 900 },
      { type: 'accepted', ...query, node: 'n1', seq: 2, at: 1_000 },
      { type: 'started', ...query, attempt: 1, inShard: 3, node: 'n1', seq: 3, at: 1_001 },
      { type: 'linked', call: 'c', id: 'q', node: 'n1', seq: 4, at: 1_001 },
      { type: 'frozen', node: 'n1', seq: 0, at: 1_002 },
      { type: 'nodeStarted', node: 'n2', seq: 1, at: 1_003 },
      { type: 'opened', shard: 3, epoch: 2, node: 'n2', seq: 2, at: 4_000 },
      { type: 'thawed', node: 'n1', seq: 0, at: 7_000 },
      { type: 'handlerEnded', id: 'q', attempt: 1, ok: true, node: 'n1', seq: 5, at: 7_001 },
      { type: 'ended', id: 'q', state: 'completed', node: 'n1', seq: 6, at: 7_001 },
    ],
    [],
  );
  expect(history.find(({ type }) => type === 'accepted')).toMatchObject({ call: 'c' });
  expect(typesOf(history, 'q')).toEqual(['accepted', 'started', 'linked', 'abandoned']);
});

/** The answer to an operator's commit is lost; what the store did shows later, or not. */
it.each([
  ['unblock', [{ type: 'dispatched' }], ['unblocked', 'dispatched']],
  ['unblock', [], []],
  ['skip', [{ type: 'purged' }], ['failed', 'purged']],
  ['skip', [{ type: 'unblocked' }], ['unblocked']],
  ['cancel', [], ['cancelled']],
  ['cancel', [{ type: 'dispatched' }], ['dispatched']],
  ['replay', [{ type: 'dispatched', id: 'm2' }], ['replayed', 'dispatched']],
  ['replay', [{ type: 'replayed' }], ['replayed']],
] as const)('reads from what came after whether a lost "%s" was done: %o', (t, later, told) => {
  const commit = { shard: 0, epoch: 1, number: 7, node: 'n1' };
  const { history } = mergeLog(
    [
      { type: 'commitCalled', ...commit, seq: 1, at: 1_000 },
      ...later.map((event, index) => ({ id: 'm', ...event, node: 'n2', seq: index + 1, at: 1_100 })),
      { type: 'doubt', ...commit, wishes: [{ t, id: 'm', newId: 'm2' }], seq: 0, at: 1_300 },
    ],
    [],
  );
  expect(history.slice(1).map(({ type, state }) => state ?? type)).toEqual(told);
});
