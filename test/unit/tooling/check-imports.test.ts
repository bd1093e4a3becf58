/** The import check itself: every rule finds the violation that was planted for it, and stays silent on a sound house. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/check-imports.mjs', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Builds a repository of these source files in a folder of its own and checks it. */
function check(sources: Record<string, string>): { ok: boolean; text: string } {
  const folder = mkdtempSync(join(tmpdir(), 'aq-imports-'));
  folders.push(folder);
  const manifest = { dependencies: { zod: '4', ioredis: '6' }, peerDependencies: { '@nestjs/common': '12' } };
  const files = { 'package.json': JSON.stringify(manifest), ...prefixed(sources) };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--root', folder], { encoding: 'utf8' });
  return { ok: status === 0, text: stdout + stderr };
}

function prefixed(sources: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(sources).map(([path, text]) => [`src/${path}`, text]));
}

const sound = {
  'index.ts': "export * from './core.js'; export * from './nestjs/module.js';",
  'core.ts': "export * from './bus/queue-bus.js';",
  'testing.ts': "export * from './testing/kit.js';",
  'runtime/clock.ts': "import { performance } from 'node:perf_hooks'; export const now = () => performance.now();",
  'wal/wal.ts':
    "import type { Envelope } from '../message/envelope.js'; export interface Wal { readonly last: Envelope }",
  'wal/sqlite/driver.ts': "export const load = async () => await import('node:sqlite');",
  'message/envelope.ts': "import { z } from 'zod'; export interface Envelope { readonly id: z.ZodString }",
  'bus/queue-bus.ts': "import { now } from '../runtime/clock.js'; export const bus = now;",
  'nestjs/module.ts':
    "import { Module } from '@nestjs/common'; import { bus } from '../bus/queue-bus.js'; export { Module, bus };",
  'testing/kit.ts': "import { bus } from '../bus/queue-bus.js'; export { bus };",
};

const planted: readonly (readonly [title: string, file: string, text: string, complaint: RegExp])[] = [
  [
    'an import that goes up',
    'wal/up.ts',
    "import '../bus/queue-bus.js';",
    /src\/wal\/up\.ts: .*bus\/queue-bus.*bus is not below/,
  ],
  [
    'a type import that goes up',
    'runtime/up.ts',
    "import type { Envelope } from '../message/envelope.js'; export type E = Envelope;",
    /runtime uses no other room/,
  ],
  ['a re-export that goes up', 'message/up.ts', "export * from '../wal/wal.js';", /message uses only runtime/],
  [
    'an import type that goes up',
    'message/up.ts',
    "export type W = import('../wal/wal.js').Wal;",
    /message uses only runtime/,
  ],
  ['an import of the room beside it', 'cli/beside.ts', "import '../nestjs/module.js';", /nestjs is not below/],
  ['a use of testing', 'bus/uses-testing.ts', "import '../testing/kit.js';", /nothing uses testing/],
  [
    'a door that leads into testing',
    'index.ts',
    "export * from './testing/kit.js';",
    /index\.ts does not lead into testing/,
  ],
  [
    'a core that leads into Nest',
    'core.ts',
    "export * from './nestjs/module.js';",
    /core\.ts does not lead into nestjs/,
  ],
  ['a file that uses a door', 'bus/door.ts', "import '../core.js';", /no file uses the doors/],
  [
    'Nest outside nestjs',
    'bus/nest.ts',
    "import { Module } from '@nestjs/common'; export { Module };",
    /only src\/nestjs may know @nestjs\/common/,
  ],
  [
    'ioredis outside its adapters',
    'wal/redis-like.ts',
    "import { Redis } from 'ioredis'; export { Redis };",
    /only src\/wal\/redis and src\/cluster\/transport\/redis may know ioredis/,
  ],
  [
    'gRPC outside its adapter',
    'cluster/grpc.ts',
    "import '@grpc/grpc-js';",
    /only src\/cluster\/transport\/grpc may know @grpc\/grpc-js/,
  ],
  [
    'SQLite outside its adapter',
    'bus/sqlite.ts',
    "export const s = () => import('node:sqlite');",
    /only src\/wal\/sqlite may know node:sqlite/,
  ],
  [
    'SQLite by require',
    'bus/sqlite.ts',
    "declare const require: (id: string) => unknown; require('@photostructure/sqlite');",
    /only src\/wal\/sqlite may know @photostructure\/sqlite/,
  ],
  [
    'a command line package outside cli',
    'bus/cli.ts',
    "import { Command } from 'commander'; export { Command };",
    /only src\/cli may know commander/,
  ],
  ['a package that is not declared', 'bus/lodash.ts', "import 'lodash/merge.js';", /lodash is neither a dependency/],
  ['a module of Node without its prefix', 'bus/fs.ts', "import 'fs';", /so 'node:fs'/],
  ['an import from outside src', 'bus/outside.ts', "import '../../package.json';", /outside src/],
  ['a room that the house does not have', 'attic/box.ts', 'export const box = 1;', /rooms are runtime/],
  ['a file in no room', 'loose.ts', 'export const loose = 1;', /stands in no room/],
];

describe('check-imports', () => {
  it('accepts imports that go one way', () => {
    expect(check(sound)).toEqual({ ok: true, text: expect.stringContaining('go one way') });
  });

  it.each(planted)('refuses %s, naming the file and the rule', (_title, file, text, complaint) => {
    const { ok, text: said } = check({ ...sound, [file]: text });
    expect(said).toMatch(complaint);
    expect(said).toContain(`src/${file}: `);
    expect(ok).toBe(false);
  });

  it('refuses files that load each other, and allows them to know each other’s types', () => {
    const other = "import { a } from './a.js'; export const b = () => a;";
    const cyclic = check({
      ...sound,
      'bus/a.ts': "import { b } from './b.js'; export const a = () => b;",
      'bus/b.ts': other,
    });
    expect(cyclic.text).toContain('src/bus/a.ts: imports itself by way of bus/b.ts → bus/a.ts');
    expect(cyclic.ok).toBe(false);
    expect(
      check({
        ...sound,
        'bus/a.ts': "import type { b } from './b.js'; export const a = (): typeof b | 1 => 1;",
        'bus/b.ts': other,
      }).ok,
    ).toBe(true);
  });
});
