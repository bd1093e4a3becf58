/**
 * `npm run check:imports [-- --root FOLDER]`: imports of `src` go one way, as docs/architecture.md draws it.
 *
 * Reads every TypeScript file of `src` and looks at each `import`, `export … from`, `import()`, `import('…')` type and
 * `require`. The tables below are the rules; each complaint names the file, the import and the rule it breaks.
 */
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseSync } from 'vite';
import { filesBelow, root as repository, runScript } from './workspace.mjs';

/** The rooms of the house, lowest first. A room uses the rooms below it, never one beside it. */
const floors = [
  ['runtime'],
  ['message'],
  ['contracts'],
  ['wal'],
  ['dead-letter', 'entity'],
  ['cluster'],
  ['bus'],
  ['actors'],
  ['nestjs', 'cli'],
  ['testing'],
];

/** Files that stand in `src` itself: the doors of the package, and the rooms that each of them must not lead into. */
const doors = {
  'index.ts': ['cli', 'testing'],
  'core.ts': ['nestjs', 'cli', 'testing'],
  'sqlite.ts': ['nestjs', 'cli', 'testing'],
  'testing.ts': ['cli'],
};

/** Packages that only one place may know. */
const confined = [
  { packages: /^ioredis$/, places: ['wal/redis', 'cluster/transport/redis'] },
  { packages: /^@grpc\//, places: ['cluster/transport/grpc'] },
  { packages: /^@nestjs\//, places: ['nestjs'] },
  { packages: /^(rxjs|reflect-metadata)$/, places: ['nestjs'] },
  { packages: /^(node:sqlite|@photostructure\/sqlite|better-sqlite3|libsql)$/, places: ['wal/sqlite'] },
  { packages: /^(commander|cli-.+)$/, places: ['cli'] },
];

await runScript((args) => {
  const at = args.indexOf('--root');
  const root = at === -1 ? repository : resolve(args[at + 1] ?? '.');
  const { files, complaints } = check(root);
  for (const complaint of complaints) console.error(complaint);
  const count = complaints.length === 1 ? '1 import breaks' : `${complaints.length} imports break`;
  console.log(complaints.length === 0 ? `The imports of ${files} files go one way.` : `${count} the rules.`);
  return complaints.length === 0 ? 0 : 1;
});

function check(root) {
  const src = join(root, 'src');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const declared = new Set(
    [manifest.dependencies, manifest.peerDependencies].flatMap((list) => Object.keys(list ?? {})),
  );
  const complaints = [];
  /** What each file loads when it runs: the graph in which a cycle is a fault. */
  const loads = new Map();
  const files = filesBelow(src).filter((path) => path.endsWith('.ts'));
  for (const file of files) {
    const name = slashed(relative(src, file));
    const complain = (text, rule) => complaints.push(`src/${name}: ${text}. Rule: ${rule}.`);
    const misplaced = misplacedFile(name);
    if (misplaced !== undefined) complain(...misplaced);
    const targets = [];
    loads.set(name, targets);
    for (const { specifier, typeOnly } of importsOf(file)) {
      if (!specifier.startsWith('.')) {
        for (const found of packageFaults(name, specifier, declared)) complain(...found);
        continue;
      }
      const target = slashed(relative(src, resolve(dirname(file), specifier)));
      const found = target.startsWith('..')
        ? [`imports '${specifier}', which is outside src`, 'the library is made of src alone']
        : roomFault(name, target, specifier);
      if (found !== undefined) complain(...found);
      const source = target.replace(/\.js$/, '.ts');
      if (!typeOnly && existsSync(join(src, source))) targets.push(source);
    }
  }
  for (const cycle of cyclesOf(loads)) {
    complaints.push(`src/${cycle[0]}: imports itself by way of ${cycle.slice(1).join(' → ')}. Rule: no import cycles.`);
  }
  return { files: files.length, complaints };
}

function misplacedFile(name) {
  const room = roomOf(name);
  if (room === undefined) {
    if (name in doors) return undefined;
    return ['stands in no room', `src itself holds only ${Object.keys(doors).join(', ')}`];
  }
  return floorOf(room) === -1
    ? ['is in a room that the house does not have', `rooms are ${floors.flat().join(', ')}`]
    : undefined;
}

function roomFault(name, target, specifier) {
  const from = roomOf(name);
  const to = roomOf(target);
  if (to === undefined) {
    // A wider door may pass on a narrower one.
    if (from === undefined && ['core.js', 'sqlite.js'].includes(target)) return undefined;
    return [`imports '${specifier}'`, 'no file uses the doors of the package (index, core, sqlite, testing)'];
  }
  if (from === undefined) {
    const shut = doors[name]?.includes(to) === true;
    return shut ? [`imports '${specifier}'`, `${name} does not lead into ${to}`] : undefined;
  }
  if (from === to) return undefined;
  if (to === 'testing') return [`imports '${specifier}'`, 'nothing uses testing'];
  if (floorOf(from) > floorOf(to)) return undefined;
  const below = floors.slice(0, floorOf(from)).flat();
  return [
    `imports '${specifier}'`,
    `${from} uses ${below.length === 0 ? 'no other room' : `only ${below.join(', ')}`}, and ${to} is not below it`,
  ];
}

function* packageFaults(name, specifier, declared) {
  const [, packageName] = /^((?:@[^/]+\/)?[^/]+)/.exec(specifier) ?? [];
  for (const { packages, places } of confined) {
    const inside = places.some((place) => name.startsWith(`${place}/`));
    if ((packages.test(specifier) || packages.test(packageName)) && !inside) {
      yield [
        `imports '${specifier}'`,
        `only ${places.map((place) => `src/${place}`).join(' and ')} may know ${packageName}`,
      ];
    }
  }
  if (specifier.startsWith('node:')) return;
  if (builtinModules.includes(specifier)) {
    yield [`imports '${specifier}'`, `modules of Node are named with node:, so 'node:${specifier}'`];
  } else if (!declared.has(packageName)) {
    yield [`imports '${specifier}'`, `${packageName} is neither a dependency nor a peer dependency of the package`];
  }
}

/** Every module that a file names, whichever way it does. */
function importsOf(file) {
  const { program, errors } = parseSync(file, readFileSync(file, 'utf8'));
  if (errors.length > 0) throw new Error(`${file} cannot be read: ${errors[0].message}`);
  const found = [];
  const add = (node, typeOnly) => {
    if (node?.type === 'Literal' && typeof node.value === 'string') found.push({ specifier: node.value, typeOnly });
  };
  const visit = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const item of node) visit(item);
      return;
    }
    if (node.type === 'ImportDeclaration')
      add(node.source, node.importKind === 'type' || onlyTypes(node.specifiers, 'importKind'));
    else if (node.type === 'ExportNamedDeclaration')
      add(node.source, node.exportKind === 'type' || onlyTypes(node.specifiers, 'exportKind'));
    else if (node.type === 'ExportAllDeclaration') add(node.source, node.exportKind === 'type');
    else if (node.type === 'ImportExpression') add(node.source, false);
    else if (node.type === 'TSImportType') add(node.source ?? node.argument?.literal, true);
    else if (node.type === 'CallExpression' && /^(require|getBuiltinModule)$/.test(calledName(node.callee)))
      add(node.arguments[0], false);
    for (const [key, value] of Object.entries(node)) if (key !== 'parent') visit(value);
  };
  visit(program);
  return found;
}

function onlyTypes(specifiers, kind) {
  return specifiers.length > 0 && specifiers.every((specifier) => specifier[kind] === 'type');
}

function calledName(callee) {
  if (callee.type === 'Identifier') return callee.name;
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier' ? callee.property.name : '';
}

/** One cycle for each knot of files that load each other, starting at its first file by name. */
function cyclesOf(loads) {
  const cycles = [];
  const done = new Set();
  const visit = (file, path) => {
    const start = path.indexOf(file);
    if (start !== -1) {
      cycles.push([...path.slice(start), file]);
      return;
    }
    if (done.has(file)) return;
    for (const target of loads.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of loads.keys()) visit(file, []);
  return cycles;
}

function roomOf(name) {
  return name.includes('/') ? name.slice(0, name.indexOf('/')) : undefined;
}

function floorOf(room) {
  return floors.findIndex((rooms) => rooms.includes(room));
}

function slashed(path) {
  return path.split(sep).join('/');
}
