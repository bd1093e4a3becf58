/** A bank whose deposits are logged, checked and guarded, message by message. Run by its test; see docs/nestjs.md. */
import 'reflect-metadata';
import {
  BadRequestException,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  type PipeTransform,
  Scope,
  UseGuards,
  UsePipes,
} from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory, REQUEST } from '@nestjs/core';
import { Command, CommandHandler } from '@nestjs/cqrs';
import { AtomicQueuesModule, EntityType, type MessageRequest, messageOf, QueueBus, QueueEntityId } from 'atomic-queues';
import { tap } from 'rxjs';

@EntityType('account')
export class Deposit extends Command<{ balance: number; unit: number }> {
  @QueueEntityId() readonly accountId: string;
  readonly amount: number;

  constructor(accountId: string, amount: number) {
    super();
    this.accountId = accountId;
    this.amount = amount;
  }
}

/** Wraps every message of the application. */
@Injectable()
export class Journal implements NestInterceptor {
  readonly lines: string[] = [];

  intercept(execution: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const handled = messageOf(execution);
    if (handled === undefined) return next.handle(); // an HTTP request, for example
    const { name, entityId, attempt } = handled.context;
    return next.handle().pipe(tap(() => this.lines.push(`${name} of ${entityId}, attempt ${attempt}`)));
  }
}

/** Headers travel with a message; what the caller's HTTP request was does not. */
@Injectable()
export class TellersOnly implements CanActivate {
  canActivate(execution: ExecutionContext): boolean {
    return messageOf(execution)?.context.headers['role'] === 'teller';
  }
}

@Injectable()
export class PositiveAmount implements PipeTransform<Deposit> {
  transform(message: Deposit): Deposit {
    if (message.amount > 0) return message;
    throw new BadRequestException('The amount must be positive.');
  }
}

let units = 0;

/** Made anew for each message. */
@Injectable({ scope: Scope.REQUEST })
export class UnitOfWork {
  readonly number = ++units;

  constructor(@Inject(REQUEST) readonly request: MessageRequest<Deposit>) {}
}

const balances = new Map<string, number>();

@CommandHandler(Deposit)
@UseGuards(TellersOnly)
@UsePipes(PositiveAmount)
export class DepositHandler {
  constructor(@Inject(UnitOfWork) private readonly unit: UnitOfWork) {}

  execute({ accountId, amount }: Deposit): { balance: number; unit: number } {
    const balance = (balances.get(accountId) ?? 0) + amount;
    balances.set(accountId, balance);
    return { balance, unit: this.unit.number };
  }
}

@Module({
  imports: [AtomicQueuesModule.forRoot({ wal: { enabled: false } })],
  providers: [DepositHandler, UnitOfWork, Journal, { provide: APP_INTERCEPTOR, useExisting: Journal }],
})
class BankModule {}

export async function main(print: (line: unknown) => void): Promise<void> {
  const app = await NestFactory.createApplicationContext(BankModule, { logger: false });
  const bus = app.get(QueueBus);
  const headers = { role: 'teller' };
  const failure = (error: Error): string => `${error.message.slice(0, 40)}… ${(error.cause as Error).name}`;

  print(await bus.enqueueAndWait(new Deposit('a-1', 50), { headers }));
  print(await bus.enqueueAndWait(new Deposit('a-1', 20), { headers }));
  print(await bus.enqueueAndWait(new Deposit('a-1', -5), { headers }).catch(failure));
  print(await bus.enqueueAndWait(new Deposit('a-1', 10)).catch(failure));
  print(app.get(Journal).lines);
  await app.close();
}
