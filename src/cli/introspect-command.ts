/** `introspect`: what services take, and what stands still or comes again and again in the store. */
import { remindersPart } from '../bus/reminders.js';
import { StoppedLines } from '../bus/stopped-lines.js';
import { type IntrospectionPart, partLines, readParts } from '../contracts/introspection.js';
import { blockedJson } from './blocked-commands.js';
import { withStore } from './command-store.js';
import type { ConsoleIo } from './console-io.js';
import { readContracts, type SourceOptions } from './contract-source.js';
import { warn } from './contract-view.js';
import { printable } from './letter-view.js';
import { print, printJson } from './program-options.js';
import { type StoreAddress, storeAddress } from './store-address.js';

export async function introspect(io: ConsoleIo, options: SourceOptions): Promise<void> {
  const contracts = await readContracts(io, options);
  const parts = options.from === undefined ? await storeParts(io, storeAddress(io, options)) : new Map();
  const { services, conflicts, warnings } = contracts;
  if (options.json) {
    const data = [...parts].map(([name, part]) => [name, part.data] as const);
    printJson(io, { ...contracts.snapshot(), services, conflicts, warnings, ...Object.fromEntries(data) });
    return;
  }
  const text = [...contracts.toString().split('\n'), ...partLines(parts)];
  print(io, text.map(printable).join('\n'));
}

/** The contracts stand beside the store and can be told without it. */
async function storeParts(io: ConsoleIo, address: StoreAddress): Promise<ReadonlyMap<string, IntrospectionPart>> {
  try {
    return await withStore(address, ({ wal, shards }) => {
      const stopped = new StoppedLines(wal, () => shards);
      const readers = {
        paused: () => stopped.pausedPart(),
        blocked: async () => {
          const { data, lines } = await stopped.blockedPart();
          return { data: { ...data, messages: data.messages.map(blockedJson) }, lines };
        },
        reminders: () => remindersPart(wal, shards),
      };
      return readParts(new Map(Object.entries(readers)));
    });
  } catch (error) {
    warn(io, `What is paused, blocked and due again cannot be read: ${(error as Error).message}`);
    return new Map();
  }
}
