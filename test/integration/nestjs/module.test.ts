import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandHandler, CqrsModule } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import {
  type AtomicQueuesConfig,
  type AtomicQueuesConfigFactory,
  AtomicQueuesModule,
  type AtomicQueuesModuleAsyncOptions,
  AtomicQueuesNode,
  QueueBus,
} from 'atomic-queues';
import { describe, expect, it } from 'vitest';
import { Deposit } from './account-messages.js';
import { configProblem, errorOf, startApp } from './harness.js';

const inMemory: AtomicQueuesConfig = { wal: { enabled: false } };

@CommandHandler(Deposit)
class DepositHandler {
  execute({ amount }: Deposit): Promise<number> {
    return Promise.resolve(amount + 1);
  }
}

@Injectable()
class Teller {
  constructor(@Inject(QueueBus) private readonly bus: QueueBus) {}

  deposit(amount: number): Promise<number> {
    return this.bus.enqueueAndWait(new Deposit('a', amount));
  }
}

@Module({ providers: [Teller, DepositHandler], exports: [Teller] })
class TellerModule {}

async function startAsync(options: AtomicQueuesModuleAsyncOptions): Promise<{ node: AtomicQueuesNode; reply: number }> {
  const app = await Test.createTestingModule({
    imports: [CqrsModule.forRoot(), AtomicQueuesModule.forRootAsync(options), TellerModule],
  })
    .setLogger(false as never)
    .compile();
  await app.init();
  const reply = await app.get(Teller, { strict: false }).deposit(6);
  const node = app.get(AtomicQueuesNode);
  await app.close();
  return { node, reply };
}

@Injectable()
class Settings implements AtomicQueuesConfigFactory {
  createAtomicQueuesConfig(): AtomicQueuesConfig {
    return { ...inMemory, maxTotalWorkers: 77 };
  }
}

@Module({ providers: [Settings, { provide: 'limit', useValue: 66 }], exports: [Settings, 'limit'] })
class SettingsModule {}

describe('AtomicQueuesModule.forRoot', () => {
  it('gives feature modules the QueueBus without being imported by them', async () => {
    const { app } = await startApp({ imports: [TellerModule] });
    await expect(app.get(Teller, { strict: false }).deposit(2)).resolves.toBe(3);
    await app.close();
  });

  it('needs no configuration beyond the store, and runs under NestFactory like anywhere else', async () => {
    @Module({ imports: [AtomicQueuesModule.forRoot(inMemory), TellerModule] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    await expect(app.get(Teller, { strict: false }).deposit(4)).resolves.toBe(5);
    await app.close();
  });

  it('is seen only where it is imported with isGlobal: false', async () => {
    const queues = AtomicQueuesModule.forRoot({ ...inMemory, isGlobal: false });
    const alone = Test.createTestingModule({ imports: [queues, TellerModule] }).setLogger(false as never);
    await expect(alone.compile()).rejects.toThrow(/can't resolve dependencies of the Teller/);

    @Module({ imports: [queues], providers: [Teller, DepositHandler], exports: [Teller] })
    class ImportingModule {}
    const app = await Test.createTestingModule({ imports: [ImportingModule] })
      .setLogger(false as never)
      .compile();
    await app.init();
    await expect(app.get(Teller, { strict: false }).deposit(1)).resolves.toBe(2);
    await app.close();
  });

  it('fails the start with CONFIG_INVALID for options that are unknown or of an older version', async () => {
    const problem = await configProblem(
      startApp({ config: { maxTotalWorker: 5, enableCronManager: true } as AtomicQueuesConfig }),
    );
    expect(problem).toContain('did you mean maxTotalWorkers?');
    expect(problem).toContain('enableCronManager was removed');
  });

  it('is refused a second time in one application, because one store has one owner', async () => {
    const second = AtomicQueuesModule.forRoot({ ...inMemory, maxTotalWorkers: 5 });
    expect(await configProblem(startApp({ imports: [second] }))).toContain('set up 2 times');
  });

  it('refuses two names of the global option that contradict each other', () => {
    expect(() => AtomicQueuesModule.forRoot({ ...inMemory, isGlobal: true, global: false })).toThrow(
      /isGlobal is true and global is false/,
    );
  });
});

describe('AtomicQueuesModule.forRootAsync', () => {
  it('takes a configuration from useFactory with injected providers', async () => {
    const { node, reply } = await startAsync({
      imports: [SettingsModule],
      inject: ['limit'],
      useFactory: async (limit: number) => ({ ...inMemory, maxTotalWorkers: await Promise.resolve(limit) }),
    });
    expect(reply).toBe(7);
    expect(node.config.maxTotalWorkers).toBe(66);
  });

  it('takes a configuration from useClass', async () => {
    expect((await startAsync({ useClass: Settings })).node.config.maxTotalWorkers).toBe(77);
  });

  it('takes a configuration from useExisting', async () => {
    const { node } = await startAsync({ imports: [SettingsModule], useExisting: Settings });
    expect(node.config.maxTotalWorkers).toBe(77);
  });

  it('refuses none and more than one way of making the configuration', async () => {
    expect(() => AtomicQueuesModule.forRootAsync({})).toThrow(/exactly one of .* got none/);
    expect(() => AtomicQueuesModule.forRootAsync({ useClass: Settings, useExisting: Settings })).toThrow(
      /got useClass and useExisting/,
    );
  });

  it('fails the start with CONFIG_INVALID when the factory returns no or a bad configuration', async () => {
    expect(await configProblem(startAsync({ useFactory: () => undefined as unknown as AtomicQueuesConfig }))).toContain(
      'returned a value of type undefined',
    );
    expect(await configProblem(startAsync({ useFactory: () => ({ gateTTL: 5 }) as AtomicQueuesConfig }))).toContain(
      'gateTTL was removed',
    );
    expect((await errorOf(startAsync({ useFactory: () => Promise.reject(new Error('no secrets')) }))).message).toBe(
      'no secrets',
    );
  });
});
