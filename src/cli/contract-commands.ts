/** Commands for what services say of themselves: `introspect`, `generate`, `check`. */
import type { Command } from 'commander';
import { type Generated, type GenerateMode, generate } from '../contracts/codegen/generate.js';
import { contractChanges } from '../contracts/compatibility.js';
import { conflictText } from '../contracts/contract-errors.js';
import type { Introspection } from '../contracts/introspection.js';
import { warningText } from '../contracts/registration.js';
import { type ConsoleIo, NotDoneError, UsageError } from './console-io.js';
import { chosenEntities, readContracts, readSnapshotFile, type SourceOptions } from './contract-source.js';
import { changesJson, changesText, leftOutText, planJson, planText, warn } from './contract-view.js';
import { introspect } from './introspect-command.js';
import { carryOut, planOutput } from './output-folder.js';
import { print, printJson } from './program-options.js';

interface GenerateOptions extends SourceOptions {
  readonly classes?: boolean | undefined;
  readonly ts?: boolean | undefined;
  readonly jsonSchema?: boolean | undefined;
  readonly snapshot?: boolean | undefined;
  readonly entities?: string | undefined;
  readonly output?: string | undefined;
  readonly check?: boolean | undefined;
}

interface CheckOptions extends SourceOptions {
  readonly against?: string | undefined;
  readonly entities?: string | undefined;
}

const FROM = 'read a snapshot file instead of a store';
const ENTITIES = 'only these entity types';

export function addContractCommands(program: Command, io: ConsoleIo): void {
  program
    .command('introspect')
    .description('what services take: entity types, messages, and what these look like')
    .option('--from <file>', FROM)
    .action(async (_options: unknown, command: Command) => {
      await introspect(io, command.optsWithGlobals<SourceOptions>());
    });
  program
    .command('generate')
    .description('make code, JSON Schemas or a snapshot from what services take')
    .option('--classes', 'message classes for TypeScript, a file for each entity type and an index.ts')
    .option('--ts', 'types for TypeScript: a namespace for each entity type, and a map of all messages')
    .option('--json-schema', 'one JSON Schema document')
    .option('--snapshot', 'a snapshot, to keep and to compare with')
    .option('-o, --output <place>', 'folder or file to write; without it, one file goes to stdout')
    .option('--entities <types>', ENTITIES)
    .option('--from <file>', FROM)
    .option('--check', 'write nothing, and end with exit code 1 if something would be written or removed')
    .action(async (_options: unknown, command: Command) => {
      await runGenerate(io, command.optsWithGlobals<GenerateOptions>());
    });
  program
    .command('check')
    .description('tell what has changed since a snapshot, and end with exit code 1 if that breaks existing callers')
    .requiredOption('--against <file>', 'the older snapshot')
    .option('--entities <types>', ENTITIES)
    .option('--from <file>', FROM)
    .action(async (_options: unknown, command: Command) => {
      await runCheck(io, command.optsWithGlobals<CheckOptions>());
    });
}

async function runGenerate(io: ConsoleIo, options: GenerateOptions): Promise<void> {
  const mode = modeOf(options);
  const { output } = options;
  if (output === undefined && mode === 'classes')
    throw new UsageError('Name the folder for the classes: -o src/generated');
  if (output === undefined && options.check === true)
    throw new UsageError('--check compares with what is there: name it with -o.');
  const contracts = await readAnyContracts(io, options);
  for (const warning of contracts.warnings) warn(io, `${warningText(warning)}.`);
  const generated = generate(contracts.snapshot(), mode, chosenEntities(options.entities, contracts.entityTypes));
  for (const each of generated.leftOut) warn(io, leftOutText(each));
  if (output === undefined) {
    for (const { text } of generated.files) io.stdout.write(text);
    return;
  }
  writeFiles(io, options, mode, generated, output);
}

function writeFiles(
  io: ConsoleIo,
  options: GenerateOptions,
  mode: GenerateMode,
  { files, leftOut }: Generated,
  output: string,
): void {
  const plan = planOutput(files, mode, io.cwd, output);
  const isCheck = options.check === true;
  if (!isCheck) carryOut(plan);
  if (options.json) printJson(io, planJson(plan, leftOut));
  else print(io, planText(plan, isCheck));
  if (isCheck && plan.written.length + plan.removed.length > 0) {
    throw new NotDoneError(`${plan.folder} is not up to date: run it without --check.`);
  }
}

function modeOf({ classes, ts, jsonSchema, snapshot }: GenerateOptions): GenerateMode {
  const chosen: GenerateMode[] = [];
  if (classes === true) chosen.push('classes');
  if (ts === true) chosen.push('ts');
  if (jsonSchema === true) chosen.push('json-schema');
  if (snapshot === true) chosen.push('snapshot');
  const [mode, second] = chosen;
  if (mode === undefined || second !== undefined) {
    throw new UsageError('Say what to make, one of: --classes, --ts, --json-schema, --snapshot.');
  }
  return mode;
}

async function runCheck(io: ConsoleIo, options: CheckOptions): Promise<void> {
  if (options.against === undefined) throw new UsageError('Name the older snapshot with --against.');
  const before = readSnapshotFile(io, options.against);
  const contracts = await readAnyContracts(io, options);
  for (const warning of [...before.warnings, ...contracts.warnings]) warn(io, `${warningText(warning)}.`);
  const only = chosenEntities(options.entities, [...contracts.entityTypes, ...Object.keys(before.snapshot.entities)]);
  const changes = contractChanges(before.snapshot, contracts.snapshot()).filter(
    ({ entityType }) => only === undefined || only.has(entityType),
  );
  if (options.json) printJson(io, changesJson(changes));
  else print(io, changesText(changes, options.against));
  const breaking = changes.filter((change) => change.breaking).length;
  if (breaking > 0) {
    throw new NotDoneError(
      breaking === 1 ? '1 change breaks existing callers.' : `${breaking} changes break existing callers.`,
    );
  }
}

/** Without a service that lives nothing can be told, and what was generated before must not be taken for outdated. */
async function readAnyContracts(io: ConsoleIo, options: SourceOptions): Promise<Introspection> {
  const contracts = await readContracts(io, options);
  for (const conflict of contracts.conflicts) warn(io, conflictText(conflict));
  if (contracts.entityTypes.length > 0 || options.from !== undefined) return contracts;
  throw new UsageError(
    'No service has published contracts in this store. Start one, with its registry enabled, or read a snapshot with --from.',
  );
}
