/** What all commands share: their options, and how results are written. */
import type { ConsoleIo } from './console-io.js';
import type { StoreOptions } from './store-address.js';

export interface GlobalOptions extends StoreOptions {
  readonly json?: boolean | undefined;
  readonly verbose?: boolean | undefined;
}

export function print(io: ConsoleIo, text: string): void {
  io.stdout.write(`${text}\n`);
}

export function printJson(io: ConsoleIo, value: unknown): void {
  print(io, JSON.stringify(value));
}
