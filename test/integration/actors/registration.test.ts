import {
  Actor,
  ActorSystem,
  type AtomicQueuesError,
  createNode,
  EntityType,
  JobQuery,
  MessageSchema,
  On,
  QueueEntityId,
  registerActor,
  Transient,
} from 'atomic-queues/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

@EntityType('order')
class Ship {
  @QueueEntityId() readonly id: string = '';
}

@JobQuery('state-of')
class StateOf {}

function faultOf(action: () => unknown): AtomicQueuesError {
  try {
    action();
  } catch (error) {
    return error as AtomicQueuesError;
  }
  throw new Error('Expected a refusal.');
}

const method = { value: (): void => {} };
const node = (): ReturnType<typeof createNode> => createNode({ config: { wal: { enabled: false } } });

describe('Registration of actors', () => {
  it('makes methods known as handlers, with the names and kinds of their messages', async () => {
    @Actor('order')
    class OrderActor {
      @On(Ship)
      ship(): void {}

      @On(StateOf)
      read(): void {}

      @On('close')
      @On('cancel')
      close(): void {}

      @On('*')
      rest(): void {}
    }
    const made = node();
    registerActor(made, OrderActor);
    expect(made.handlers.names('order')).toEqual(['Ship', 'state-of', 'cancel', 'close', '*']);
    expect(made.handlers.find('order', 'state-of')).toMatchObject({ kind: 'query', label: 'OrderActor.read' });
    expect(made.registry.find('order', 'state-of')?.cls).toBe(StateOf);
    await made.stop();
  });

  it('announces messages like those of other handlers, with the schemas of their classes', async () => {
    @MessageSchema(z.object({ amount: z.number().int() }))
    class Refund {
      constructor(readonly amount: number) {}
    }
    @Actor('order')
    class OrderActor {
      total = 0;

      @On(Refund)
      refund({ amount }: Refund): number {
        this.total -= amount;
        return this.total;
      }

      @On(StateOf)
      read(): number {
        return this.total;
      }
    }
    const made = node();
    registerActor(made, OrderActor);
    await made.start();
    const actors = new ActorSystem(made);
    const known = await made.queueBus.introspect();
    expect(known.messagesFor('order').toSorted()).toEqual(['Refund', 'state-of']);
    expect(known.schemaFor('order', 'Refund')).toMatchObject({ properties: { amount: { type: 'integer' } } });
    expect(await actors.sendAndWait('order', 'o', new Refund(5))).toBe(-5);
    await expect(actors.send('order', 'o', new Refund(0.5))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await made.stop();
  });

  it('takes methods and options from the class that an actor extends, and lets it override them', async () => {
    class Base {
      total = 0;

      @On('add')
      add(): number {
        this.total += 1;
        return this.total;
      }

      @On('read', { kind: 'query' })
      read(): number {
        return this.total;
      }
    }
    @Actor('counter')
    class Counter extends Base {
      override read(): number {
        return -this.total;
      }
    }
    const made = node();
    registerActor(made, Counter);
    await made.start();
    expect(await made.queueBus.enqueueAndWait('counter', 'add', 'c', {})).toBe(1);
    expect(await made.queueBus.enqueueAndWait('counter', 'read', 'c', {})).toBe(-1);
    await made.stop();
  });

  it('shares the line of an entity between its actor and plain handlers (I3, I4)', async () => {
    const seen: string[] = [];
    @Actor('order')
    class OrderActor {
      count = 0;

      @On('add')
      async add(): Promise<number> {
        seen.push('add begins');
        await new Promise((resolve) => setImmediate(resolve));
        seen.push('add ends');
        this.count += 1;
        return this.count;
      }
    }
    const made = node();
    registerActor(made, OrderActor);
    made.handle('order', 'mail', () => {
      seen.push('mail');
      return 'sent';
    });
    await made.start();
    const bus = made.queueBus.forEntity('order', 'o');
    expect(
      await Promise.all([bus.enqueueAndWait('add', {}), bus.enqueueAndWait('mail', {}), bus.enqueueAndWait('add', {})]),
    ).toEqual([1, 'sent', 2]);
    expect(seen).toEqual(['add begins', 'add ends', 'mail', 'add begins', 'add ends']);
    await made.stop();
  });

  const refused: readonly (readonly [what: string, register: () => unknown, text: RegExp])[] = [
    [
      'a class that is no actor',
      () => {
        class Plain {}
        registerActor(node(), Plain);
      },
      /Plain has no @Actor/,
    ],
    [
      'an actor without methods',
      () => {
        @Actor('order')
        class Empty {}
        registerActor(node(), Empty);
      },
      /Empty has @Actor\('order'\) but no method with @On/,
    ],
    [
      'two methods for one message',
      () => {
        @Actor('order')
        class Twice {
          @On(Ship) ship(): void {}
          @On('Ship') again(): void {}
        }
        registerActor(node(), Twice);
      },
      /Two handlers for message "Ship".*Twice\.ship and Twice\.again/,
    ],
    [
      'two actors of one type',
      () => {
        @Actor('order')
        class One {
          @On('a') a(): void {}
        }
        @Actor('order')
        class Two {
          @On('b') b(): void {}
        }
        const made = node();
        registerActor(made, One);
        registerActor(made, Two);
      },
      /Two actors of entity type "order": One and Two/,
    ],
    [
      'the same actor twice',
      () => {
        @Actor('order')
        class One {
          @On('a') a(): void {}
        }
        const made = node();
        registerActor(made, One);
        registerActor(made, One);
      },
      /One of entity type "order" is registered twice/,
    ],
    [
      'a message that a plain handler takes too',
      () => {
        @Actor('order')
        class One {
          @On(Ship) ship(): void {}
        }
        const made = node().handle(Ship, function shipping() {});
        registerActor(made, One);
      },
      /Two handlers for message "Ship".*shipping and One\.ship/,
    ],
    [
      'a message of another entity type',
      () => {
        @Actor('parcel')
        class Parcel {
          @On(Ship) ship(): void {}
        }
        registerActor(node(), Parcel);
      },
      /Parcel\.ship belongs to the actor of entity type 'parcel'.*'order'/,
    ],
    [
      'a query that is taken as a command',
      () => {
        @Actor('order')
        class One {
          @On(StateOf, { kind: 'command' }) read(): void {}
        }
        registerActor(node(), One);
      },
      /state-of is marked as a query, but One\.read takes it as a command/,
    ],
    [
      'missing dependencies',
      () => {
        @Actor('order')
        class Needy {
          constructor(readonly ledger: object) {}
          @On('a') a(): void {}
        }
        (registerActor as (...args: unknown[]) => void)(node(), Needy);
      },
      /constructor of Needy takes 1 dependencies, and registerActor got 0/,
    ],
    ['@On on a static method', () => On('a')(class {}, 'a', method), /stands on an instance method/],
    ['@On with a name that is not allowed', () => On('a b')({}, 'a', method), /wire name is "a b"/],
    [
      '@On with a kind that there is not',
      () => On('a', { kind: 'event' as never })({}, 'a', method),
      /expected 'command' or 'query'/,
    ],
    ['@Transient on a static field', () => Transient()(class {}, 'a'), /stands on an instance field/],
    ['an entity type that is not allowed', () => Actor('a b')(class {}), /entity type is "a b"/],
    [
      'a second @Actor',
      () => {
        const cls = class Double {};
        Actor('a')(cls);
        Actor('b')(cls);
      },
      /Double: the class has two/,
    ],
    ['options that are none', () => Actor('a', 5 as never)(class {}), /options must be an object/],
    [
      'an unknown option',
      () => Actor('a', { stateTtl: 5 } as never)(class {}),
      /no option stateTtl. Did you mean stateTTL/,
    ],
    ['a TTL of nothing', () => Actor('a', { stateTTL: 0 })(class {}), /stateTTL is 0; expected a number of seconds/],
    [
      'a TTL of a state that is not stored',
      () => Actor('a', { stateTTL: 1, statePersistence: false })(class {}),
      /no stored state to forget/,
    ],
    ['a version that is no number', () => Actor('a', { stateVersion: 1.5 })(class {}), /stateVersion is 1.5/],
    [
      'effects that there are not',
      () => Actor('a', { effects: 'none' as never })(class {}),
      /effects is "none"; expected 'any' or 'state'/,
    ],
    ['an idle timeout below zero', () => Actor('a', { actorIdleTimeout: -1 })(class {}), /actorIdleTimeout is -1/],
    [
      'an upgrade that is no function',
      () => Actor('a', { upgrade: {} as never })(class {}),
      /upgrade is a value of type object; expected a function/,
    ],
    [
      'an outbox that there is not',
      () => Actor('a', { outbox: true as never })(class {}),
      /outbox is true; expected 'atomic'/,
    ],
    [
      'an option of the entity type',
      () => Actor('a', { retry: { maxAttempts: 2 } } as never)(class {}),
      /retry is an option of the entity type: entities.<type>.retry in the configuration/,
    ],
    [
      'a decorator without its parentheses',
      () => (Actor as unknown as ClassDecorator)(class Cart {}),
      /@Actor on Cart: it needs the entity type/,
    ],
    [
      'a kind that there is not',
      () => On('a', { kind: 'qery' as never })({}, 'a', { value: () => 1 }),
      /kind is "qery"; expected 'command' or 'query'/,
    ],
  ];
  for (const [what, register, text] of refused) {
    it(`refuses ${what} at start-up`, () => {
      const fault = faultOf(register);
      expect(fault.message).toMatch(text);
      expect(fault.code).toBe('CONFIG_INVALID');
    });
  }

  it('refuses an initial state that cannot be stored, naming the field', () => {
    @Actor('order')
    class Logging {
      readonly log = new (class Logger {})();
      @On('a') a(): void {}
    }
    const fault = faultOf(() => registerActor(node(), Logging));
    expect(fault.code).toBe('STATE_INVALID');
    expect(fault.message).toMatch(/log is an instance of Logger/);
  });

  it('uses the static upgrade of a class', async () => {
    @Actor('order', { stateVersion: 2 })
    class Upgrading {
      static upgrade = (state: Record<string, unknown>): Record<string, unknown> => ({ ...state, b: 2 });
      b = 0;
      @On('a') a(): void {}
    }
    const made = node();
    registerActor(made, Upgrading);
    const binding = made.handlers.find('order', 'a')?.actor;
    const instance = await binding?.wake('order', 'o', '{"version":1,"state":{}}');
    expect(instance?.snapshot()).toBe('{"version":2,"state":{"b":2}}');
  });
});
