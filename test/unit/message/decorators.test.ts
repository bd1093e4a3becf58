import { describe, expect, it } from 'vitest';
import { EntityType, QueueEntity } from '../../../src/message/entity-type.js';
import { isAtomicQueuesError } from '../../../src/message/errors.js';
import { JobCommand, JobQuery, readJobMark } from '../../../src/message/job-decorators.js';
import { readMessageClass, resolveEntityId, validateEntityId } from '../../../src/message/message-class.js';
import { QueueEntityId } from '../../../src/message/queue-entity-id.js';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isAtomicQueuesError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was thrown';
}

@EntityType('account')
class Withdraw {
  constructor(
    readonly amount: number,
    @QueueEntityId() readonly accountId: unknown,
  ) {}
}

@QueueEntity('account')
class Deposit {
  @QueueEntityId()
  readonly accountId: string;
  constructor(accountId: string) {
    this.accountId = accountId;
  }
}

@EntityType('account', { name: 'close' })
class Close {
  constructor(readonly accountId: string) {}
}

class CloseQuietly extends Close {
  readonly quiet = true;
}

describe('@EntityType and @QueueEntityId', () => {
  it('records type, name and the id property', () => {
    expect(readMessageClass(Withdraw)).toMatchObject({
      cls: Withdraw,
      entityType: 'account',
      name: 'Withdraw',
      entityIdProperty: 'accountId',
      kind: undefined,
    });
    expect(readMessageClass(Deposit)).toMatchObject({
      entityType: 'account',
      name: 'Deposit',
      entityIdProperty: 'accountId',
    });
    expect(readMessageClass(Close)).toMatchObject({ name: 'close', entityIdProperty: undefined });
    expect(readMessageClass(Withdraw)).toBe(readMessageClass(Withdraw));
  });

  it('gives a subclass the type, but its own name', () => {
    expect(readMessageClass(CloseQuietly)).toMatchObject({ entityType: 'account', name: 'CloseQuietly' });
  });

  it('knows nothing of other values', () => {
    for (const value of [class Plain {}, Object, undefined, null, 'x', () => 1])
      expect(readMessageClass(value)).toBeUndefined();
  });

  it('lets a subclass mark another property', () => {
    class Transfer extends Deposit {
      @QueueEntityId()
      readonly targetId = 'b';
    }
    expect(readMessageClass(Transfer)?.entityIdProperty).toBe('targetId');
  });

  it('refuses a second mark on one class, wherever the two stand', () => {
    const twice = codeOf(() => {
      class Twice {
        @QueueEntityId() readonly a = 'a';
        @QueueEntityId() readonly b = 'b';
      }
      return Twice;
    });
    expect(twice).toContain('CONFIG_INVALID: @QueueEntityId on Twice: there are two');
    const mixed = codeOf(() => {
      class Mixed {
        @QueueEntityId() readonly a = 'a';
        constructor(@QueueEntityId() readonly b: string) {}
      }
      return Mixed;
    });
    expect(mixed).toContain("on property 'a' and on constructor parameter 1");
  });

  it('refuses @QueueEntityId where it cannot work', () => {
    const decorate = QueueEntityId();
    class Plain {}
    expect(codeOf(() => decorate(Plain, 'static'))).toContain('CONFIG_INVALID');
    expect(codeOf(() => decorate(Plain.prototype, Symbol('x')))).toContain('CONFIG_INVALID');
    expect(codeOf(() => decorate(Plain.prototype, 'method', 0))).toContain('CONFIG_INVALID');
    const standard = decorate as unknown as (value: undefined, context: object) => void;
    expect(codeOf(() => standard(undefined, { kind: 'field', name: 'id' }))).toContain('experimentalDecorators');
  });

  it.each(['', 'a:b', 'a\nb', 'a{b}', 'ä', 'a b', '__proto__', 'x'.repeat(129)])('refuses the type %j', (type) => {
    expect(codeOf(() => EntityType(type)(class Named {}))).toContain(
      'CONFIG_INVALID: @EntityType on Named: the entity type',
    );
  });

  it('takes types of 1 to 128 characters', () => {
    for (const type of ['a', 'Bank.account_v2-x', 'x'.repeat(128)]) {
      class Named {}
      EntityType(type)(Named);
      expect(readMessageClass(Named)?.entityType).toBe(type);
    }
  });

  it('refuses an anonymous class, unless it is given a name', () => {
    const anonymous = (() => class {})();
    expect(codeOf(() => EntityType('account')(anonymous))).toContain('an anonymous class: the wire name is ""');
    EntityType('account', { name: 'ping$1' })(anonymous);
    expect(readMessageClass(anonymous)?.name).toBe('ping$1');
  });

  it('refuses a class name outside the alphabet and a second declaration', () => {
    expect(codeOf(() => EntityType('account')(class Überweisung {}))).toContain('CONFIG_INVALID');
    expect(codeOf(() => EntityType('order')(Deposit))).toContain("declared twice, for 'account' and for 'order'");
  });
});

describe('@QueueEntityId on a constructor parameter', () => {
  const mark = (cls: object, index: number): void => QueueEntityId()(cls, undefined, index);
  const propertyOf = (cls: abstract new (...values: never[]) => object, index: number): string | undefined => {
    mark(cls, index);
    EntityType('account', { name: 'sample' })(cls as unknown as () => void);
    return readMessageClass(cls)?.entityIdProperty;
  };

  it('finds the property when a minifier renamed the parameter', () => {
    class Minified {
      accountId: string;
      amount: number;
      constructor(a: string, b: number) {
        this.accountId = a;
        this.amount = b;
        if (b < 0) throw new Error(`negative: ${a}`);
      }
    }
    expect(propertyOf(Minified, 0)).toBe('accountId');
  });

  it('is not confused by strings, comments, templates, defaults and other methods', () => {
    class Busy {
      // constructor(wrong, order)
      readonly text = 'constructor(wrong) { }';
      readonly template = `}${'constructor(x)'}`;
      accountId: string;
      constructor(options = { a: [1, ')'], /* , */ b: ',' }, $account = 'x', ...rest: unknown[]) {
        this.accountId = $account;
        void options;
        void rest;
      }
      rename(options: string): void {
        this.accountId = options;
      }
    }
    expect(propertyOf(Busy, 1)).toBe('accountId');
  });

  it('tries the constructor when the value goes to a parent class', () => {
    class Parent {
      constructor(readonly ownerId: string) {}
    }
    class Child extends Parent {
      constructor(_amount: number, id: string) {
        super(id);
      }
    }
    expect(propertyOf(Child, 1)).toBe('ownerId');
  });

  it('takes the parameter name when the constructor throws but assigns a property of that name', () => {
    class Strict {
      accountId: string;
      constructor(accountId: string) {
        if (!accountId.startsWith('acc-')) throw new Error('bad id');
        this.accountId = accountId.toLowerCase();
      }
    }
    expect(propertyOf(Strict, 0)).toBe('accountId');
  });

  it('works for a constructor function of older compilers', () => {
    function Old(this: Record<string, unknown>, a: unknown, b: unknown): void {
      this['amount'] = a;
      this['accountId'] = b;
    }
    expect(propertyOf(Old as unknown as new () => object, 1)).toBe('accountId');
  });

  it('says what to do when the property cannot be found', () => {
    class Hidden {
      readonly #id: string;
      constructor({ id }: { id: string }) {
        this.#id = id;
      }
      get id(): string {
        return this.#id;
      }
    }
    expect(codeOf(() => propertyOf(Hidden, 0))).toMatch(
      /CONFIG_INVALID: .*Put the decorator on the property.*defaultEntityId/,
    );
  });
});

describe('resolveEntityId', () => {
  const withdraw = readMessageClass(Withdraw);
  const close = readMessageClass(Close);
  if (withdraw === undefined || close === undefined) throw new Error('both classes are decorated');

  it.each(['a:b', '{a}', 'nul\0', '😀', 'x'.repeat(512), 'line\nbreak', ' ', '__proto__'])('takes the id %j', (id) => {
    expect(resolveEntityId(new Withdraw(1, id), withdraw)).toBe(id);
    expect(validateEntityId(id)).toBe(id);
  });

  it.each([
    [undefined, 'is undefined'],
    [null, 'is null'],
    ['', 'is empty'],
    [42, 'convert it with String(id)'],
    [42n, 'convert it with String(id)'],
    [{}, 'is of type object'],
    [['a'], 'is of type array'],
    ['x'.repeat(513), 'has 513 characters'],
  ])('refuses the id %o', (id, words) => {
    expect(codeOf(() => resolveEntityId(new Withdraw(1, id), withdraw))).toMatch(/^ENTITY_ID_MISSING: .*'accountId'/);
    expect(codeOf(() => validateEntityId(id))).toContain(words);
  });

  it('uses defaultEntityId only where no property is marked', () => {
    expect(resolveEntityId(new Close('a'), close, 'accountId')).toBe('a');
    expect(resolveEntityId(new Withdraw(1, 'a'), withdraw, 'amount')).toBe('a');
    expect(codeOf(() => resolveEntityId(new Close('a'), close))).toContain('entities.account.defaultEntityId');
    expect(codeOf(() => resolveEntityId(new Close('a'), close, 'id'))).toContain("property 'id') is undefined");
  });
});

describe('@JobCommand and @JobQuery', () => {
  @JobQuery('get-balance')
  @EntityType('account')
  class GetBalance {}

  @EntityType('account')
  @JobCommand()
  class Freeze {}

  class FreezeHard extends Freeze {}

  it('decide the kind, and the wire name when they give one', () => {
    expect(readMessageClass(GetBalance)).toMatchObject({ kind: 'query', name: 'get-balance' });
    expect(readMessageClass(Freeze)).toMatchObject({ kind: 'command', name: 'Freeze' });
    expect(readJobMark(GetBalance)).toEqual({ kind: 'query', name: 'get-balance' });
    expect(readJobMark(Withdraw)).toBeUndefined();
  });

  it('give a subclass the kind, but not the name', () => {
    expect(readMessageClass(FreezeHard)).toMatchObject({ kind: 'command', name: 'FreezeHard' });
  });

  it('refuse a second mark, a bad name and two different names', () => {
    expect(codeOf(() => JobQuery()(Freeze))).toContain('already marked as a command');
    expect(codeOf(() => JobCommand('a:b'))).toBe('nothing was thrown');
    expect(codeOf(() => JobCommand('a:b')(class X {}))).toContain('CONFIG_INVALID');
    expect(codeOf(() => JobCommand('other')(Close))).toContain("two wire names, 'close' and 'other'");
  });
});
