/**
 * The package as users get it. `npm test` calls these steps in order, with one scratch folder outside the repository:
 * pack the tarball, let publint and arethetypeswrong look at it, install it into an empty project and load it.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, must, npm, root } from './workspace.mjs';

/** Packages that `atomic-queues` itself, the door for NestJS users, cannot do without. The other doors need none. */
const nestPeers = ['@nestjs/common', '@nestjs/core', '@nestjs/cqrs', 'reflect-metadata', 'rxjs'];
const doorsForNest = ['atomic-queues'];

/** Loads modules in both ways and fails if one of them does not load, is empty, or differs between the ways. */
const probe = `
const specifiers = process.argv.slice(2);
(async () => {
  for (const specifier of specifiers) {
    const imported = Object.keys(await import(specifier)).filter((name) => name !== 'module.exports').sort();
    const required = Object.keys(require(specifier)).filter((name) => name !== 'module.exports').sort();
    if (imported.length === 0) throw new Error(specifier + ' exports nothing');
    if (imported.join() !== required.join()) throw new Error(specifier + ' differs between import and require');
    console.log('  ' + process.version + ' loads ' + specifier + ' (' + imported.length + ' names)');
  }
})().catch((error) => { console.error('  ' + process.version + ': ' + error.stack); process.exitCode = 1; });
`;

/** Packs the built package and returns the path of the tarball. */
export async function pack(scratch) {
  const { output } = await must(...npm('pack', '--json', '--ignore-scripts', '--pack-destination', scratch), {
    stdout: 'capture',
  });
  const [{ filename, files, size }] = packResult(output);
  const strays = files
    .map(({ path }) => path)
    .filter((path) => /(^|\/)(test|bench|examples|src)\/|\.test\./.test(path));
  if (strays.length > 0)
    throw new Error(`The tarball holds files that are no part of the package: ${strays.join(', ')}`);
  console.log(`${filename}: ${files.length} files, ${Math.round(size / 1024)} KiB`);
  return join(scratch, filename);
}

/** npm 12 answers with an object by package name, older ones with a list. */
function packResult(output) {
  const parsed = JSON.parse(output);
  return Array.isArray(parsed) ? parsed : Object.values(parsed);
}

/** Entry points, files and types are what other tools expect of an ESM package. */
export async function lintTarball(tarball) {
  await must(process.execPath, [commandOf('publint'), 'run', tarball, '--strict'], { stdout: 'inherit' });
  const attw = [
    commandOf('@arethetypeswrong/cli', 'attw'),
    tarball,
    '--profile',
    'esm-only',
    '--no-emoji',
    '--no-color',
  ];
  await must(process.execPath, attw, { stdout: 'inherit' });
}

/**
 * Installs the tarball into an empty project without install scripts and loads every door by `import` and `require`:
 * those without NestJS before any peer is there, and all of them beside the peers. Then asks the command its version.
 */
export async function loadTarball(tarball, scratch, nodes) {
  const project = join(scratch, 'empty-project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty-project', private: true }));
  writeFileSync(join(project, 'probe.cjs'), probe);
  const { exports, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const doors = Object.keys(exports)
    .filter((door) => !door.endsWith('.json'))
    .map((door) => join('atomic-queues', door));
  await install(project, [tarball]);
  await load(
    project,
    nodes,
    doors.filter((door) => !doorsForNest.includes(door)),
  );
  for (const node of nodes) {
    const command = [join(project, 'node_modules/.bin/atomic-queues'), '--version'];
    const { output } = await must(node, command, { cwd: project, stdout: 'capture' });
    if (output.trim() !== version) throw new Error(`atomic-queues --version says ${output.trim()}, not ${version}`);
  }
  await must(...npm('exec', '--offline', '--', 'atomic-queues', '--version'), { cwd: project, stdout: 'inherit' });
  await install(project, [tarball, ...nestPeers.map((name) => `${name}@${installedVersion(name)}`)]);
  await load(project, nodes, doors);
}

/** Runs `test/nest11/app.cjs`, a CommonJS application on NestJS 11, against the installed tarball. */
export async function runNest11App(tarball, scratch, nodes) {
  const project = join(scratch, 'nest11-app');
  mkdirSync(project);
  for (const file of ['package.json', 'package-lock.json', 'app.cjs']) {
    copyFileSync(join(root, 'test/nest11', file), join(project, file));
  }
  cpSync(join(root, 'test/nest11/node_modules'), join(project, 'node_modules'), { recursive: true });
  await install(project, [tarball, `@photostructure/sqlite@${installedVersion('@photostructure/sqlite')}`]);
  for (const node of nodes) await must(node, ['app.cjs'], { cwd: project, stdout: 'inherit' });
}

async function install(project, packages) {
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  await must(...npm('install', ...options, ...packages), { cwd: project });
}

async function load(project, nodes, doors) {
  for (const node of nodes) await must(node, ['probe.cjs', ...doors], { cwd: project, stdout: 'inherit' });
}

function installedVersion(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}
