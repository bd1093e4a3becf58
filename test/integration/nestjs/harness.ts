/** A real Nest application for the tests of the module, with the store in memory and what it logged kept for looking at. */
import { type INestApplicationContext, type LoggerService, Module, type ModuleMetadata } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { type AtomicQueuesConfig, AtomicQueuesModule, isAtomicQueuesError, QueueBus } from 'atomic-queues';

/** What Nest's logger was told by the library, by level. */
export class LogRecorder implements LoggerService {
  readonly lines: { readonly level: string; readonly text: string }[] = [];

  log = (text: unknown, ...rest: unknown[]): void => this.keep('log', text, rest);
  warn = (text: unknown, ...rest: unknown[]): void => this.keep('warn', text, rest);
  error = (text: unknown, ...rest: unknown[]): void => this.keep('error', text, rest);
  debug = (text: unknown, ...rest: unknown[]): void => this.keep('debug', text, rest);

  texts(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map(({ text }) => text);
  }

  private keep(level: string, text: unknown, rest: readonly unknown[]): void {
    if (rest.at(-1) === 'AtomicQueues') this.lines.push({ level, text: String(text) });
  }
}

export interface AppOptions extends ModuleMetadata {
  readonly config?: AtomicQueuesConfig;
  readonly logger?: LogRecorder;
  /** False leaves the CqrsModule out: handlers of CQRS are found all the same. */
  readonly withCqrs?: boolean;
  readonly prepare?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
}

/** Compiles an application without initialising it. */
export async function compileApp({
  config = {},
  logger = new LogRecorder(),
  withCqrs = true,
  prepare = (builder) => builder,
  imports = [],
  ...metadata
}: AppOptions): Promise<INestApplicationContext> {
  @Module({
    ...metadata,
    imports: [
      ...(withCqrs ? [CqrsModule.forRoot()] : []),
      AtomicQueuesModule.forRoot({ wal: { enabled: false }, ...config }),
      ...imports,
    ],
  })
  class AppModule {}
  const app = await prepare(Test.createTestingModule({ imports: [AppModule] }))
    .setLogger(logger)
    .compile();
  return app;
}

export async function startApp(
  options: AppOptions,
): Promise<{ readonly app: INestApplicationContext; readonly bus: QueueBus }> {
  const app = await compileApp(options);
  await app.init();
  return { app, bus: app.get(QueueBus) };
}

/** The error that a start or a call ends with; fails if it does not. */
export async function errorOf(action: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await action;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a rejection.');
}

/** The message of the `CONFIG_INVALID` that a start ends with. */
export async function configProblem(action: Promise<unknown>): Promise<string> {
  const error = await errorOf(action);
  if (!isAtomicQueuesError(error, 'CONFIG_INVALID')) throw error;
  return error.message;
}

/** A promise and the means to settle it. */
export function gate<T = void>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
