/** Generated code before the compiler and the formatter that a project would use. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type GenerateMode, generate } from '../../../src/contracts/codegen/generate.js';
import type { ContractSnapshot } from '../../../src/contracts/contract-snapshot.js';
import { anySnapshot } from './generated-snapshots.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const seed = Number(process.env['AQ_SEED'] ?? 7);
const SNAPSHOTS = 80;
const MODES: readonly GenerateMode[] = ['classes', 'ts', 'json-schema', 'snapshot'];

function written(snapshots: readonly ContractSnapshot[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'aq-codegen-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [index, snapshot] of snapshots.entries()) {
    for (const mode of MODES) {
      const place = join(folder, `${index}-${mode}`);
      mkdirSync(place);
      for (const { path, text } of generate(snapshot, mode).files) writeFileSync(join(place, path), text);
    }
  }
  return folder;
}

describe('code generated from any snapshot', { timeout: 120_000 }, () => {
  const snapshots = fc.sample(anySnapshot, { numRuns: SNAPSHOTS, seed });
  const again = `to repeat it: AQ_SEED=${seed} npx vitest run test/integration/codegen`;

  it('passes the strict compiler', () => {
    const folder = written(snapshots);
    const config = {
      extends: join(repository, 'tsconfig.json'),
      compilerOptions: {
        typeRoots: [join(repository, 'node_modules/@types')],
        paths: { 'atomic-queues/core': [join(repository, 'src/core.ts')] },
      },
      include: ['.'],
    };
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(repository, 'node_modules/.bin/tsc');
    // One mistake of our own shows that the compiler has looked.
    writeFileSync(join(folder, 'mistake.ts'), "export const n: number = 'text';\n");
    const { stdout } = spawnSync(tsc, ['-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' });
    const errors = stdout.split('\n').filter((line) => /^(\d+-\w|mistake)/.test(line));
    if (errors.length !== 1) throw new Error([again, ...errors.slice(0, 10)].join('\n'));
    expect(errors[0]).toContain('mistake.ts(1,14)');
  });

  it('is left as it is by the formatter', () => {
    const folder = written(snapshots);
    const biome = join(repository, 'node_modules/.bin/biome');
    const args = ['check', '--colors=off', '--max-diagnostics=3', `--config-path=${repository}`, folder];
    const { status, stdout, stderr } = spawnSync(biome, args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error([again, stderr, stdout].join('\n'));
    expect(stdout + stderr).toMatch(/Checked \d{3,} files/);
  });

  it('is the same whatever order the snapshot came in', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        for (const mode of MODES) {
          expect(generate(reversed(snapshot) as ContractSnapshot, mode)).toEqual(generate(snapshot, mode));
        }
      }),
      { numRuns: 60, seed },
    );
  });
});

/** Every object with its fields the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, reversed(field)]),
  );
}
