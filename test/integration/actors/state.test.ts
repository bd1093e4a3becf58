import { ActorSystem, AtomicQueuesError, registerActor } from 'atomic-queues/core';
import { createTestApp, type TestApp, type TestAppOptions } from 'atomic-queues/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { accountActor, Balance, Deposit, Ledger, Withdraw } from './account-actor.js';

const apps: TestApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.stop().catch(() => {})));
});

async function start(
  Actor: ReturnType<typeof accountActor> = accountActor(),
  options: TestAppOptions = {},
  ledger = new Ledger(),
): Promise<TestApp> {
  const app = await createTestApp({ ...options, setup: (node) => registerActor(node, Actor, ledger) });
  apps.push(app);
  return app;
}

async function restart(app: TestApp, Actor: ReturnType<typeof accountActor>): Promise<TestApp> {
  const next = await app.restart({ setup: (node) => registerActor(node, Actor, new Ledger()) });
  apps.push(next);
  return next;
}

const describeState = (app: TestApp, id = 'a'): Promise<unknown> =>
  app.drive(app.bus.enqueueAndWait('account', 'describe', id, {}));

async function refusal(action: Promise<unknown>): Promise<AtomicQueuesError> {
  const error: unknown = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof AtomicQueuesError) return error;
  throw new Error(`Expected a refusal, got ${String(error)}.`);
}

describe('State of an actor, with its messages', () => {
  it('is kept from message to message, and is one for each entity', async () => {
    const ledger = new Ledger();
    const app = await start(accountActor(), {}, ledger);
    expect(await app.sendAndWait(new Deposit('a', 5))).toBe(5);
    expect(await app.sendAndWait(new Deposit('a', 2))).toBe(7);
    expect(await app.sendAndWait(new Deposit('b', 1))).toBe(1);
    expect(ledger.entries).toEqual(['a 5', 'a 2', 'b 1']);
  });

  it('survives an orderly stop and a crash', async () => {
    const first = await start();
    await first.sendAndWait(new Deposit('a', 5));
    await first.stop();
    const second = await restart(first, accountActor());
    expect(await second.sendAndWait(new Deposit('a', 2))).toBe(7);
    second.crash();
    const third = await restart(second, accountActor());
    expect(await third.sendAndWait(new Balance('a'))).toBe(7);
    expect(await describeState(third)).toEqual({ balance: 7, entries: 2, seen: 2 });
  });

  it('is seen by queries in line, and what a query changes is taken back', async () => {
    const app = await start();
    const replies = await app.drive(
      Promise.all([
        app.bus.enqueueAndWait(new Deposit('a', 5)),
        app.bus.enqueueAndWait(new Balance('a')),
        app.bus.enqueueAndWait(new Deposit('a', 1)),
        app.bus.enqueueAndWait(new Balance('a')),
      ]),
    );
    expect(replies).toEqual([5, 5, 6, 6]);
  });

  it('is as it was after a handler that failed, in memory and in the store', async () => {
    const Actor = accountActor();
    const app = await start(Actor);
    await app.sendAndWait(new Deposit('a', 5));
    await expect(app.sendAndWait(new Deposit('a', -9))).rejects.toThrow('cannot deposit -9');
    expect(await describeState(app)).toEqual({ balance: 5, entries: 1, seen: 1 });
    const next = await restart((app.crash(), app), accountActor());
    expect(await describeState(next)).toEqual({ balance: 5, entries: 1, seen: 1 });
  });

  it('is as it was before each attempt of a message that is retried', async () => {
    const Actor = accountActor();
    const app = await start(Actor, { config: { retry: { maxAttempts: 3, backoffDelay: 10 } } });
    await app.sendAndWait(new Deposit('a', 5));
    await expect(app.sendAndWait(new Deposit('a', -1))).rejects.toThrow('cannot deposit');
    expect(await describeState(app)).toEqual({ balance: 5, entries: 1, seen: 1 });
  });

  it('fails the message that makes it something that cannot be stored, naming the field', async () => {
    const app = await start();
    await app.sendAndWait(new Deposit('a', 5));
    const error = await refusal(app.drive(app.bus.enqueueAndWait('account', 'spoil', 'a', {})));
    expect(error.code).toBe('HANDLER_FAILED');
    expect(error.message).toContain('history[1].at is an instance of URL');
    expect(await describeState(app)).toEqual({ balance: 5, entries: 1, seen: 1 });
    const [letter] = (await app.inspect()).deadLetters;
    expect(letter?.error?.message).toContain('history[1].at');
  });

  it('is forgotten stateTTL seconds after its last change', async () => {
    const app = await start(accountActor({ stateTTL: 60 }));
    await app.sendAndWait(new Deposit('a', 5));
    await app.advance(59_000);
    await app.sendAndWait(new Deposit('a', 1));
    await app.advance(59_000);
    expect(await app.sendAndWait(new Balance('a'))).toBe(6);
    await app.advance(2_000);
    expect(await app.sendAndWait(new Balance('a'))).toBe(0);
  });

  it('lives as long as the instance with statePersistence false', async () => {
    const app = await start(accountActor({ statePersistence: false, actorIdleTimeout: 1_000 }));
    await app.sendAndWait(new Deposit('a', 5));
    await expect(app.sendAndWait(new Deposit('a', -1))).rejects.toThrow('cannot deposit');
    expect(await app.sendAndWait(new Deposit('a', 2))).toBe(7);
    await app.advance(120_000);
    expect(await app.sendAndWait(new Deposit('a', 2))).toBe(2);
  });

  it('of an older version is upgraded; without an upgrade, and of a newer one, it stays as it is', async () => {
    const first = await start();
    await first.sendAndWait(new Deposit('a', 5));
    await first.stop();
    const stuck = await restart(first, accountActor({ stateVersion: 2 }));
    expect((await refusal(stuck.sendAndWait(new Deposit('a', 1)))).message).toMatch(/version 1.*no upgrade/);
    await stuck.stop();
    const upgrade = (state: Record<string, unknown>) => ({ ...state, balance: (state['balance'] as number) * 100 });
    const upgraded = await restart(stuck, accountActor({ stateVersion: 2, upgrade }));
    expect(await upgraded.sendAndWait(new Deposit('a', 1))).toBe(501);
    await upgraded.stop();
    const older = await restart(upgraded, accountActor());
    expect((await refusal(older.sendAndWait(new Deposit('a', 1)))).message).toMatch(/newer code wrote it/);
    await older.stop();
    const again = await restart(older, accountActor({ stateVersion: 2 }));
    expect(await again.sendAndWait(new Balance('a'))).toBe(501);
  });
});

describe('Actors in memory', () => {
  it('go when they are not used for their idle timeout, and are rebuilt', async () => {
    const Actor = accountActor({ actorIdleTimeout: 30_000 });
    const app = await start(Actor);
    const gone: string[] = [];
    app.node.events.on('actorPassivated', ({ entityId, reason }) => gone.push(`${entityId} ${reason}`));
    await app.sendAndWait(new Deposit('a', 5));
    const { made } = Actor;
    await app.sendAndWait(new Deposit('a', 5));
    expect(Actor.made).toBe(made);
    await app.advance(120_000);
    expect(gone).toEqual(['a idle']);
    expect(await app.sendAndWait(new Deposit('a', 5))).toBe(15);
    expect(Actor.made).toBe(made + 1);
  });

  it('go by last use when there are more than maxResidentActors', async () => {
    const Actor = accountActor();
    const app = await start(Actor, { config: { maxResidentActors: 2 } });
    const gone: string[] = [];
    app.node.events.on('actorPassivated', ({ entityId }) => gone.push(entityId));
    for (const id of ['a', 'b', 'a', 'c']) await app.sendAndWait(new Deposit(id, 1));
    expect(gone).toEqual(['b']);
    expect(await app.sendAndWait(new Deposit('b', 1))).toBe(2);
    expect(gone).toEqual(['b', 'a']);
  });
});

describe('State-only actors', () => {
  it('answer after their commit, keep order and lose no state in a crash', async () => {
    const app = await start(accountActor({ effects: 'state' }));
    const replies = await app.drive(
      Promise.all(Array.from({ length: 50 }, () => app.bus.enqueueAndWait(new Deposit('a', 1)))),
    );
    expect(replies).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    app.crash();
    const next = await restart(app, accountActor({ effects: 'state' }));
    expect(await describeState(next)).toEqual({ balance: 50, entries: 50, seen: 50 });
  });

  it('go on from the last good state when one of many messages fails', async () => {
    const app = await start(accountActor({ effects: 'state' }));
    const amounts = [1, 2, -1, 4];
    const ends = await app.drive(
      Promise.allSettled(amounts.map((amount) => app.bus.enqueueAndWait(new Deposit('a', amount)))),
    );
    expect(ends.map((end) => (end.status === 'fulfilled' ? end.value : 'failed'))).toEqual([1, 3, 'failed', 7]);
  });
});

describe('ActorSystem', () => {
  it('sends to an entity by its address, messages with and without a class', async () => {
    const app = await start();
    const system = new ActorSystem(app.node);
    await app.drive(system.send('account', 'a', new Deposit('a', 10)));
    expect(await app.drive(system.sendAndWait('account', 'a', new Withdraw(4)))).toBe(6);
    expect(await app.drive(system.sendAndWait('account', 'a', 'Withdraw', { amount: 1 }))).toBe(5);
    expect(await app.drive(system.sendAndWait('account', 'a', new Balance('a')))).toBe(5);
    const { id } = await app.drive(system.send('account', 'a', new Deposit('a', 1), { messageId: 'once' }));
    expect(id).toBe((await app.drive(system.send('account', 'a', new Deposit('a', 1), { messageId: 'once' }))).id);
  });

  it('refuses what is for something else, and what does not say its name', async () => {
    const app = await start();
    const system = new ActorSystem(app.node);
    const cases: readonly (readonly [() => Promise<unknown>, string, RegExp])[] = [
      [
        () => system.send('order', 'o', new Deposit('a', 1)),
        'INVALID_PAYLOAD',
        /is for entity type "account".*sent to "order"/,
      ],
      [() => system.send('account', 'b', new Deposit('a', 1)), 'INVALID_PAYLOAD', /is for account "a".*sent to "b"/],
      [() => system.send('account', 'a', { amount: 1 }), 'INVALID_PAYLOAD', /instance of a message class/],
      [() => system.send('account', 'a', null as never), 'INVALID_PAYLOAD', /instance of a message class/],
      [() => system.send('account', '', new Withdraw(1)), 'ENTITY_ID_MISSING', /empty/],
      [() => system.send('acount', 'a', 'Deposit', {}), 'UNKNOWN_ENTITY_TYPE', /Did you mean "account"/],
    ];
    for (const [action, code, text] of cases) {
      const error = await refusal(app.drive(action()));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(text);
    }
  });

  it('says at the call that an actor has no method for a message, what there is, and the nearest', async () => {
    const app = await start();
    const system = new ActorSystem(app.node);
    class Withdrawal {
      readonly amount = 1;
    }
    for (const action of [
      () => system.send('account', 'a', new Withdrawal()),
      () => system.sendAndWait('account', 'a', 'Withdrawal', {}),
      () => app.bus.enqueue('account', 'Withdrawal', 'a', {}),
    ]) {
      const error = await refusal(app.drive(action()));
      expect(error.code).toBe('NO_HANDLER');
      expect(error.message).toBe(
        'The actor of entity type "account" has no @On method for "Withdrawal". Did you mean "Withdraw"? There are: ' +
          'Deposit (AccountActor.deposit), Withdraw (AccountActor.withdraw), Balance (AccountActor.read), ' +
          'spoil (AccountActor.spoil), describe (AccountActor.describe).',
      );
    }
  });
});
