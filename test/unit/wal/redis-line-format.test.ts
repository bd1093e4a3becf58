/** The texts of messages in line, in both formats. */
import { describe, expect, it } from 'vitest';
import { INLINE_CHARACTERS_MAX, lineFormatOf, standsInHead } from '../../../src/wal/redis/line-format.js';
import {
  type Body,
  bodyOf,
  bodyText,
  bodyTextIn,
  type Held,
  headText,
  headWithBody,
  heldOf,
} from '../../../src/wal/redis/records.js';

const held: Held = {
  seq: 7,
  id: 'id-7',
  entityType: 'account',
  entityId: 'a\n"1"\ud800',
  name: 'Deposit',
  state: 'enqueued',
  attempt: 0,
  interruptions: 0,
  notBefore: 0,
  expiresAt: 0,
  messageId: undefined,
  replyTo: undefined,
  hasPast: false,
  indexed: false,
  bodyInHead: false,
};
const rich: Held = { ...held, attempt: 2, expiresAt: 9, messageId: 'k\nk', replyTo: 'node\n1', hasPast: true };
const body: Body = {
  enqueuedAt: 1_767_225_600_000,
  kind: 'command',
  headers: undefined,
  replayOf: undefined,
  recurrence: undefined,
  lastRunId: undefined,
  payload: '{"text":"one\\ntwo",\n"cents":5}',
};
const richBody: Body = { ...body, kind: 'query', headers: { trace: 'x\ny' }, replayOf: 'r', lastRunId: 'l' };

describe('a head without its body', () => {
  it.each([held, rich])('is read as it was written, in any format', (each) => {
    const text = headText(each);
    expect(heldOf(7, text, null)).toEqual(each);
    expect(bodyTextIn(text)).toBeUndefined();
  });
});

describe('a head with its body', () => {
  it.each([
    [held, body],
    [rich, body],
    [held, richBody],
    [rich, richBody],
  ])('gives back both, whatever line breaks are in them', (head, of) => {
    const text = headWithBody(headText({ ...head, bodyInHead: true }), bodyText(of));
    expect(heldOf(7, text, null)).toEqual({ ...head, bodyInHead: true });
    expect(bodyTextIn(text)).toBe(bodyText(of));
    expect(bodyOf(bodyTextIn(text) ?? '')).toEqual(of);
  });

  it('tells of an empty payload, too', () => {
    const text = headWithBody(headText(held), bodyText({ ...body, payload: '' }));
    expect(bodyOf(bodyTextIn(text) ?? '').payload).toBe('');
  });
});

describe('where a body stands', () => {
  const long = 'x'.repeat(INLINE_CHARACTERS_MAX);
  it('is apart in the first format', () => {
    expect(standsInHead(body, 1)).toBe(false);
  });
  it('is in the head in the second, up to a size with all that belongs to it', () => {
    expect(standsInHead(body, 2)).toBe(true);
    expect(standsInHead({ ...body, payload: long }, 2)).toBe(true);
    expect(standsInHead({ ...body, payload: `${long}x` }, 2)).toBe(false);
    expect(standsInHead({ ...body, headers: { a: long } }, 2)).toBe(false);
    expect(standsInHead({ ...body, payload: long, lastRunId: 'l' }, 2)).toBe(false);
  });
});

describe('the format that a store names', () => {
  it('is the first when it names none', () => {
    expect([null, undefined, '1', '2'].map(lineFormatOf)).toEqual([1, 1, 1, 2]);
    expect(lineFormatOf('two')).toBeNaN();
  });
});
