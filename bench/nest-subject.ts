/** The same node inside a NestJS application: the module, the injected bus, and a class with `@CommandHandler`. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandHandler, CqrsModule, type ICommandHandler } from '@nestjs/cqrs';
import { AtomicQueuesNode, QueueBus } from 'atomic-queues/core';
import { Deposit } from './messages.js';
import { NotMeasured } from './run.js';
import { configOf, OrderCheck, type Subject, type SubjectOptions } from './subject.js';

let order = new OrderCheck(1);

@CommandHandler(Deposit)
class DepositHandler implements ICommandHandler<Deposit> {
  async execute(message: Deposit): Promise<void> {
    order.see(message.account, message.n);
  }
}

export async function openNestSubject(options: SubjectOptions): Promise<Subject> {
  const { AtomicQueuesModule } = await nestModule();
  order = new OrderCheck(options.entities);

  @Module({
    imports: [CqrsModule.forRoot(), AtomicQueuesModule.forRoot(configOf(options))],
    providers: [DepositHandler],
  })
  class BankModule {}

  const app = await NestFactory.createApplicationContext(BankModule, { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  const node = app.get(AtomicQueuesNode, { strict: false });
  // Messages start after the application is up; starting is idempotent, and this waits for it.
  await node.start();
  return { node, queueBus: app.get(QueueBus, { strict: false }), order, stop: () => app.close() };
}

async function nestModule(): Promise<typeof import('atomic-queues')> {
  try {
    return await import('atomic-queues');
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new NotMeasured('the NestJS module is not part of this build');
  }
}
