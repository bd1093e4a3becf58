/** The faults that `toy-engine.ts` can be given, with the invariant that each breaks and words that its explanation has. */
import type { Invariant } from '../../../src/testing/history-report.js';

export const BUGS = {
  'dispatch recorded after the start': ['I2', /dispatch was not durable/],
  'interrupted command starts again': ['I2', /must end as interrupted/],
  'expired message starts': ['I2', /past its deadline/],
  'messageId runs twice': ['I2', /made a second message/],
  'more attempts than allowed': ['I2', /4 times, but 3 start/],
  'two handlers at once': ['I3', /still at work on the same entity/],
  'stale epoch accepted': ['I3', /the store accepted commit \d+ of epoch/],
  'former owner starts a handler': ['I3', /started m\d+ under epoch \d+, after/],
  'fencing token used twice': ['I3', /not larger than the one of the start before/],
  'line reordered': ['I4', /started before command m\d+, which was in line before/],
  'retry at the back of the line': [
    'I4',
    /backing off and keeps its place|lost its place with its retry|is still pending at the end/,
  ],
  'back-off overtaken': [
    'I4',
    /is backing off and keeps its place|lost its place|was still in line then|is still pending/,
  ],
  'back-off cut short': ['I4', /its back-off lasts until/],
  'blocked message overtaken': ['I4', /is blocked|lost its place|was still in line then|is still pending at the end/],
  'query jumps the line': ['I4', /^query m\d+ started before/],
  'delayed message runs early': ['I4', /it is delayed until/],
  'delayed message blocks others': ['I4', /waits behind m\d+, which is delayed/],
  'second verdict': ['I5', /got a second verdict 'interrupted'/],
  'verdict before it is durable': ['I5', /before the verdict was durable/],
  'waiter hears another verdict': ['I5', /but the durable verdict is/],
  'waiter forgotten': ['I5', /never got/],
  'verdict not kept by the store': ['I5', /the store still has it in line/],
  'epoch reused': ['I6', /although it had reached epoch/],
  'accept lost in a crash': ['I1', /was accepted, a process died/],
  'message vanished': ['I7', /has vanished/],
  'counts do not agree': ['I7', /the counts do not agree/],
  'replay keeps the letter': ['I7', /counts twice|had not left the dead letters/],
  'accepted work dropped': ['I8', /then dropped with QUEUE_DEPTH_EXCEEDED/],
  'refused without a name': ['I8', /no code of the contract/],
  'refused and kept': ['I8', /and yet it was kept/],
} as const satisfies Record<string, readonly [Invariant, RegExp]>;

export type Bug = keyof typeof BUGS;
