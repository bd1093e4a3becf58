import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AtomicQueuesError,
  describeError,
  errorCodes,
  handlerFailed,
  isAtomicQueuesError,
  isRetryable,
  reviveError,
} from '../../../src/message/errors.js';

describe('AtomicQueuesError', () => {
  it('carries code, retryable, subject, details and cause', () => {
    const cause = new Error('disk');
    const error = new AtomicQueuesError('STORE_DEGRADED', 'No space.', {
      subject: { entityType: 'account', entityId: 'a', messageId: 'm' },
      details: { freeBytes: 0 },
      cause,
    });
    expect(error).toMatchObject({
      name: 'AtomicQueuesError',
      code: 'STORE_DEGRADED',
      retryable: true,
      message: 'No space.',
    });
    expect(error.subject).toEqual({ entityType: 'account', entityId: 'a', messageId: 'm' });
    expect(error.cause).toBe(cause);
    expect(String(error)).toBe('AtomicQueuesError: No space.');
  });

  it('has every code of the contract, and lets retryable be overridden', () => {
    expect(errorCodes).toHaveLength(25);
    expect(new AtomicQueuesError('INTERRUPTED', 'x').retryable).toBe(false);
    expect(new AtomicQueuesError('INTERRUPTED', 'x', { retryable: true }).retryable).toBe(true);
  });

  it('is recognised by its brand, whichever copy of the package made it', () => {
    const other = { [Symbol.for('atomic-queues.error')]: true, code: 'EXPIRED' };
    expect(isAtomicQueuesError(other)).toBe(true);
    expect(isAtomicQueuesError(other, 'EXPIRED')).toBe(true);
    expect(isAtomicQueuesError(other, 'CANCELLED')).toBe(false);
    for (const value of [null, undefined, 'x', {}, new Error('x'), revokedProxy()]) {
      expect(isAtomicQueuesError(value)).toBe(false);
    }
  });
});

describe('describeError', () => {
  it('keeps name, message, stack and plain data fields', () => {
    class Overdrawn extends Error {
      override readonly name = 'Overdrawn';
      readonly balance = 3;
      readonly at = new Date(0);
      readonly lines = [{ amount: 1 }];
      readonly request = new URL('http://x.test');
      readonly big = 1n;
    }
    const thrown = new Overdrawn('Not enough.');
    expect(describeError(thrown)).toEqual({
      name: 'Overdrawn',
      message: 'Not enough.',
      stack: thrown.stack,
      data: { balance: 3, at: '1970-01-01T00:00:00.000Z', lines: [{ amount: 1 }] },
    });
  });

  const throwing = {
    get name(): string {
      throw new Error('no name');
    },
    get message(): string {
      throw new Error('no message');
    },
    get data(): string {
      throw new Error('no data');
    },
    kept: 1,
  };
  const circular = Object.assign(new Error('round'), { self: {} as unknown, kept: true });
  circular.self = circular;
  const ring: unknown[] = [];
  ring.push(ring, ring);

  const cases: readonly (readonly [string, unknown, object])[] = [
    ['null', null, { name: 'NonError', message: 'null' }],
    ['undefined', undefined, { name: 'NonError', message: 'undefined' }],
    ['a string', 'boom', { name: 'NonError', message: 'boom' }],
    ['a symbol', Symbol('s'), { name: 'NonError', message: 'Symbol(s)' }],
    ['a function', () => 1, { name: 'NonError', message: 'a function was thrown' }],
    ['an object', { message: 'odd', code: 7 }, { name: 'NonError', message: 'odd', data: { code: 7 } }],
    ['a frozen error', Object.freeze(new Error('cold')), { name: 'Error', message: 'cold' }],
    ['a revoked proxy', revokedProxy(), { name: 'NonError' }],
    ['getters that throw', throwing, { name: 'NonError', message: '[object Object] was thrown', data: { kept: 1 } }],
    ['a circular error', circular, { name: 'Error', message: 'round', data: { kept: true } }],
    ['a ring', Object.assign(new Error('ring'), { ring }), { name: 'Error', message: 'ring' }],
  ];
  it.each(cases)('describes %s', (_what, thrown, expected) => {
    expect(describeError(thrown)).toMatchObject(expected);
  });

  it('stays within its limits, whatever is thrown', () => {
    const huge = Object.assign(new Error('\u0000'.repeat(100_000)), {
      small: 1,
      text: 'x'.repeat(1_000_000),
      list: Array.from({ length: 100_000 }, () => 0),
    });
    const description = describeError(huge);
    expect(Buffer.byteLength(JSON.stringify(description.message))).toBeLessThanOrEqual(8_192);
    expect(Buffer.byteLength(JSON.stringify(description))).toBeLessThanOrEqual(16_384);
    expect(description.data).toEqual({ small: 1 });
  });

  it('never throws, gives JSON within 16 KiB, and touches no prototype', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true }), (thrown) => {
        for (const value of [thrown, Object.assign(new Error('x'), { field: thrown })]) {
          const description = describeError(value);
          const text = JSON.stringify(description);
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384);
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(reviveRoundTrip(description))));
        }
      }),
    );
  });
});

describe('reviveError', () => {
  it('makes a plain error with the same name, message, stack and fields', () => {
    const error = reviveError({
      name: 'Overdrawn',
      message: 'No.',
      stack: 'Overdrawn: No.\n at x',
      data: { balance: 3 },
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'Overdrawn', message: 'No.', stack: 'Overdrawn: No.\n at x', balance: 3 });
  });

  it('cannot be made to touch a prototype', () => {
    const description = JSON.parse(
      '{"name":"E","message":"m","data":{"__proto__":{"evil":1},"constructor":{"prototype":{"evil":1}},"toString":"x","deep":{"__proto__":{"evil":1},"kept":1}}}',
    ) as Parameters<typeof reviveError>[0];
    const error = reviveError(description);
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    expect(error.constructor).toBe(Error);
    expect((error as unknown as { deep: unknown }).deep).toStrictEqual({ kept: 1 });
    expect(Error.prototype.toString).toBeTypeOf('function');
    expect(({} as Record<string, unknown>)['evil']).toBeUndefined();
  });
});

describe('handlerFailed', () => {
  it('wraps the handler error as cause', () => {
    const error = handlerFailed(
      { messageId: 'm-1', name: 'Withdraw', entityType: 'account', entityId: 'a' },
      describeError(new RangeError('too much')),
    );
    expect(error.code).toBe('HANDLER_FAILED');
    expect(error.message).toBe('The handler of Withdraw for account/"a" failed: RangeError: too much');
    expect(error.cause).toMatchObject({ name: 'RangeError', message: 'too much' });
  });
});

describe('isRetryable', () => {
  it('is false only for an own field retryable: false', () => {
    expect(isRetryable(new Error('x'))).toBe(true);
    expect(isRetryable(Object.assign(new Error('x'), { retryable: false }))).toBe(false);
    expect(isRetryable(Object.create({ retryable: false }))).toBe(true);
    expect(isRetryable(new AtomicQueuesError('INVALID_PAYLOAD', 'x'))).toBe(false);
    for (const thrown of [null, undefined, 'x', revokedProxy()]) expect(isRetryable(thrown)).toBe(true);
  });
});

function reviveRoundTrip(description: ReturnType<typeof describeError>): unknown {
  const again = describeError(reviveError(description));
  return { ...again, ...(description.stack === undefined ? { stack: undefined } : { stack: description.stack }) };
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
