/**
 * A CommonJS application on NestJS 11 that uses the packed tarball, as such applications do: with `require`. It sends
 * commands to one entity at once, expects each to have been handled alone and to have gone through the handler's guard
 * and interceptor, and shuts down. `npm test` runs it in a
 * scratch project.
 */
require('reflect-metadata');
const assert = require('node:assert/strict');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Module, UseGuards, UseInterceptors } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { CommandHandler, CqrsModule } = require('@nestjs/cqrs');
const { AtomicQueuesModule, EntityType, messageOf, QueueBus, QueueEntityId } = require('atomic-queues');
const { map } = require('rxjs');

const deposits = 50;
let balance = 0;

class DepositCommand {
  constructor(accountId, amount) {
    this.accountId = accountId;
    this.amount = amount;
  }
}
Reflect.decorate([QueueEntityId()], DepositCommand.prototype, 'accountId');
Reflect.decorate([EntityType('account')], DepositCommand);

class DepositHandler {
  /** Reads, lets others run, writes: two at once would lose a deposit. */
  async execute(command) {
    const before = balance;
    await new Promise((resolve) => setImmediate(resolve));
    balance = before + command.amount;
    return { balance };
  }
}
class DepositsOnly {
  canActivate(execution) {
    return messageOf(execution).message instanceof DepositCommand;
  }
}

/** Adds to each reply which message it answers. */
class Naming {
  intercept(execution, next) {
    const { name } = messageOf(execution).context;
    return next.handle().pipe(map((reply) => ({ ...reply, name })));
  }
}

Reflect.decorate([CommandHandler(DepositCommand), UseGuards(DepositsOnly), UseInterceptors(Naming)], DepositHandler);

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'atomic-queues-nest11-'));
  class AppModule {}
  const queues = AtomicQueuesModule.forRoot({ store: { path: join(folder, 'app.sqlite') } });
  Reflect.decorate([Module({ imports: [CqrsModule.forRoot(), queues], providers: [DepositHandler] })], AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  try {
    const bus = app.get(QueueBus, { strict: false });
    const sent = Array.from({ length: deposits }, () => bus.enqueueAndWait(new DepositCommand('a-1', 1)));
    const replies = await Promise.all(sent);
    assert.deepEqual(
      replies.map((reply) => reply.balance),
      Array.from({ length: deposits }, (_, index) => index + 1),
    );
    assert.ok(replies.every((reply) => reply.name === 'DepositCommand'));
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const { version } = require('@nestjs/core/package.json');
  console.log(`  ${process.version}, NestJS ${version}: ${deposits} deposits, none lost`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
