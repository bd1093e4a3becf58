/** Checked by the compiler (`tsc` over `test`); run by vitest, it only shows that the declarations load. */
import { Command, Query } from '@nestjs/cqrs';
import { describe, expectTypeOf, it } from 'vitest';
import { Reply, type ReplyOf, type Undeclared, type WaitedReply } from '../../src/message/reply.js';

interface Balance {
  readonly balance: number;
}

class Implements implements Reply<Balance> {
  constructor(readonly accountId: string) {}
}
class Extends extends Reply<Balance> {
  constructor(readonly accountId: string) {
    super();
  }
}
class FurtherDown extends Extends {}
class NestCommand extends Command<Balance> {
  readonly accountId = 'a';
}
class NestQuery extends Query<readonly Balance[]> {
  readonly accountId = 'a';
}
class NestAndReply extends Command<Balance> implements Reply<Balance> {}
class Nothing extends Reply<void> {}
class Maybe extends Reply<Balance | undefined> {}
class Flag extends Reply<boolean> {}
class Iterates {
  readonly accountId = 'a';
  *[Symbol.iterator](): Generator<string> {
    yield this.accountId;
  }
  readonly [Symbol.toStringTag] = 'Iterates';
}
class Plain {
  readonly balance = 1;
}

/** The signature that `QueueBus.enqueueAndWait` is to have. */
declare function waitFor<R = never, M extends object = object>(message: M): Promise<WaitedReply<R, M>>;

describe('reply types', () => {
  it('infers the result of extends Reply<R>, Command<R> and Query<R>', () => {
    expectTypeOf<ReplyOf<Extends>>().toEqualTypeOf<Balance>();
    expectTypeOf<ReplyOf<FurtherDown>>().toEqualTypeOf<Balance>();
    expectTypeOf<ReplyOf<NestCommand>>().toEqualTypeOf<Balance>();
    expectTypeOf<ReplyOf<NestQuery>>().toEqualTypeOf<readonly Balance[]>();
    expectTypeOf<ReplyOf<NestAndReply>>().toEqualTypeOf<Balance>();
    expectTypeOf<ReplyOf<Nothing>>().toEqualTypeOf<void>();
    expectTypeOf<ReplyOf<Maybe>>().toEqualTypeOf<Balance | undefined>();
    expectTypeOf<ReplyOf<Flag>>().toEqualTypeOf<boolean>();
  });

  it('leaves the result open where nothing can be inferred', () => {
    expectTypeOf<ReplyOf<Implements>>().toBeAny();
    expectTypeOf<ReplyOf<Plain>>().toBeAny();
    expectTypeOf<ReplyOf<Iterates>>().toBeAny();
    expectTypeOf<ReplyOf<object>>().toBeAny();
    expectTypeOf<Undeclared>().toBeAny();
  });

  it('lets the caller name the result, and never guesses it', () => {
    const calls = () => ({
      inferred: waitFor(new Extends('a')),
      nest: waitFor(new NestQuery()),
      open: waitFor(new Implements('a')),
      named: waitFor<Balance>(new Implements('a')),
      // A message that happens to look like the result is not taken for it.
      lookalike: waitFor<Balance>(new Plain()),
      overruled: waitFor<string>(new Extends('a')),
    });
    type Calls = ReturnType<typeof calls>;
    expectTypeOf<Calls['inferred']>().toEqualTypeOf<Promise<Balance>>();
    expectTypeOf<Calls['nest']>().toEqualTypeOf<Promise<readonly Balance[]>>();
    expectTypeOf<Awaited<Calls['open']>>().toBeAny();
    expectTypeOf<Calls['named']>().toEqualTypeOf<Promise<Balance>>();
    expectTypeOf<Calls['lookalike']>().toEqualTypeOf<Promise<Balance>>();
    expectTypeOf<Calls['overruled']>().toEqualTypeOf<Promise<string>>();

    const wrong = async (): Promise<void> => {
      // @ts-expect-error the result is a Balance, whatever it is assigned to
      const text: string = await waitFor(new Extends('a'));
      // @ts-expect-error the same for Nest's command
      const promise: Promise<string> = waitFor(new NestCommand());
      // @ts-expect-error a Balance has no such field
      (await waitFor(new Extends('a'))).missing;
      // @ts-expect-error a message is an object
      await waitFor('Extends');
      void [text, promise];
    };
    expectTypeOf(wrong).toBeFunction();
  });

  it('keeps Reply apart from what it is not', () => {
    // @ts-expect-error Reply itself is abstract
    const make = () => new Reply<Balance>();
    // @ts-expect-error a plain object does not carry the result type
    const faked: Extends = { accountId: 'a' };
    expectTypeOf(make).toBeFunction();
    expectTypeOf(faked).toEqualTypeOf<Extends>();
  });
});
