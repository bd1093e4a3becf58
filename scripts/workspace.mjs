/**
 * What every script of this repository needs: run a program, have the packages installed, have the TypeScript compiled.
 * Uses only what Node brings, because it works before anything is installed.
 *
 * Everything printed on the way goes to stderr, so that stdout belongs to the program that a script finally runs.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The TypeScript projects: where the sources are, where the JavaScript goes, and the configuration that says so. */
const projects = {
  library: { config: 'tsconfig.build.json', from: 'src', to: 'dist' },
  examples: { config: 'tsconfig.examples.json', from: 'examples/banking', to: 'examples/banking/dist' },
  bench: { config: 'tsconfig.bench.json', from: 'bench', to: 'bench/dist' },
};

/** A folder that outlives a run and goes with `node_modules`. */
const cache = join(root, 'node_modules', '.cache', 'atomic-queues');

/**
 * Runs a program to its end and returns its exit code. `stdout: 'inherit'` leaves stdout to the program (stderr is the
 * default), `'capture'` returns `{ code, output }` instead. SIGINT and SIGTERM are passed on and left to the program.
 */
export function run(command, args, { cwd = root, env = {}, stdout = 'stderr' } = {}) {
  return new Promise((resolve, reject) => {
    const out = stdout === 'inherit' ? 'inherit' : stdout === 'capture' ? 'pipe' : 2;
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['inherit', out, 2] });
    const pieces = [];
    child.stdout?.on('data', (piece) => pieces.push(piece));
    const passOn = (signal) => child.kill(signal);
    // A terminal sends SIGINT to the whole group, so the program has it already: only this process must not die of it.
    const ignore = () => {};
    process.on('SIGTERM', passOn);
    process.on('SIGINT', ignore);
    const done = () => {
      process.off('SIGTERM', passOn);
      process.off('SIGINT', ignore);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('close', (code, signal) => {
      done();
      const result = code ?? (signal === 'SIGINT' ? 130 : 1);
      resolve(stdout === 'capture' ? { code: result, output: Buffer.concat(pieces).toString() } : result);
    });
  });
}

/** Like `run`, and an exit code other than 0 is an error. */
export async function must(command, args, options) {
  const result = await run(command, args, options);
  const code = typeof result === 'object' ? result.code : result;
  if (code !== 0) {
    if (typeof result === 'object') process.stderr.write(result.output);
    throw new Error(`${[command, ...args].map((part) => relativeToRoot(part)).join(' ')} ended with exit code ${code}`);
  }
  return result;
}

/** The npm that started this script, or the one on the path; as arguments for `run`. */
export function npm(...args) {
  const script = process.env.npm_execpath;
  return script?.endsWith('npm-cli.js') ? [process.execPath, [script, ...args]] : ['npm', args];
}

/** The JavaScript file behind a command of an installed package. Scripts run it with the Node of their choice. */
export function commandOf(packageName, command = packageName) {
  const folder = join(root, 'node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/** Installs what the lock file of `folder` says, without install scripts, unless exactly that is there already. */
export async function ensureInstalled(folder = root) {
  if (isInstalled(folder)) return;
  console.error(`Installing packages${folder === root ? '' : ` of ${relativeToRoot(folder)}`} …`);
  await must(...npm('ci', '--ignore-scripts', '--no-audit', '--no-fund'), { cwd: folder });
}

function isInstalled(folder) {
  const found = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(found)) return false;
  const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(found, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    const there = installed[path];
    // An optional package is absent on a machine that it is not made for.
    return there === undefined ? optional === true || devOptional === true : there.version === version;
  });
}

/**
 * Emits JavaScript if the sources have changed since the last time. Types are not checked here: whoever only wants to
 * run something should not wait for it, and `npm test` checks them.
 */
export async function ensureCompiled(name) {
  const stamp = join(cache, `${name}.json`);
  const state = sourceState(projects[name]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state.hash && state.outputs.every(existsSync)) return;
  console.error(`Compiling ${projects[name].from} …`);
  await compile(name, ['--noCheck']);
}

/** Emits JavaScript, and fails on a type error unless told `--noCheck`. Leaves no output of a source that is gone. */
export async function compile(name, options = []) {
  const project = projects[name];
  const state = sourceState(project);
  if (state.outputs.length === 0) throw new Error(`${project.from} has no TypeScript files`);
  await must(process.execPath, [commandOf('typescript', 'tsc'), '-p', join(root, project.config), ...options]);
  removeOrphans(join(root, project.to), new Set(state.outputs));
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, `${name}.json`), state.hash);
}

/** A hash over everything the output depends on, and the JavaScript files that the sources become. */
function sourceState({ config, from, to }) {
  const hash = createHash('sha256');
  const sources = filesBelow(join(root, from), (folder) => folder !== 'dist' && folder !== 'node_modules').filter(
    (path) => path.endsWith('.ts') && !path.endsWith('.d.ts'),
  );
  for (const path of [...sources, ...['tsconfig.json', config, 'package.json'].map((file) => join(root, file))]) {
    hash
      .update(`${relativeToRoot(path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  const outputs = sources.map((path) => join(root, to, relative(join(root, from), path).replace(/\.ts$/, '.js')));
  return { hash: hash.digest('hex'), outputs };
}

function removeOrphans(folder, outputs) {
  for (const path of filesBelow(folder)) {
    const emitted = /(\.d\.ts|\.js)(\.map)?$/;
    if (emitted.test(path) && !outputs.has(path.replace(emitted, '.js'))) rmSync(path);
  }
}

/** All files below a folder, in a stable order; none if there is no such folder. */
export function filesBelow(folder, entering = () => true) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entering(entry.name) ? filesBelow(path, entering) : [];
      return entry.isFile() ? [path] : [];
    });
}

export function relativeToRoot(path) {
  return path.startsWith(root) ? relative(root, path) || '.' : path;
}

/** Ends a script with the exit code of `main`, or says what went wrong without a stack and ends it with 1. */
export async function runScript(main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
