/**
 * How the tests run. One project per folder of `test/`, so that `npx vitest run --project unit` and
 * `npx vitest run test/unit/some.test.ts` both work. Everything runs from source; only `e2e` may need the built `dist`.
 *
 * With `AQ_NEST=11` every `@nestjs/*` import, also those of `src`, goes to the NestJS 11 in `test/nest11`.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const nest11Alias = [
  { find: /^(@nestjs\/[^/]+|rxjs|reflect-metadata)(?=\/|$)/, replacement: here('./test/nest11/node_modules/$1') },
];

const alias = [
  { find: /^atomic-queues$/, replacement: here('./src/index.ts') },
  { find: /^atomic-queues\/(core|sqlite|testing)$/, replacement: here('./src/$1.ts') },
  ...(process.env['AQ_NEST'] === '11' ? nest11Alias : []),
];

interface Limits {
  readonly testTimeoutMs: number;
  /** Projects of one group run together, groups one after the other. */
  readonly group: number;
  readonly alone?: boolean;
}

function project(name: string, { testTimeoutMs, group, alone }: Limits): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: testTimeoutMs,
      hookTimeout: testTimeoutMs,
      sequence: { groupOrder: group },
      ...(alone === true ? { maxWorkers: 1 } : {}),
    },
  };
}

const soak = process.env['AQ_SOAK'] === '1';

export default defineConfig({
  resolve: { alias },
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    pool: 'forks',
    maxWorkers: Math.max(2, availableParallelism() - 1),
    setupFiles: [here('./test/setup.ts')],
    projects: soak
      ? [project('soak', { testTimeoutMs: 3_600_000, group: 0, alone: true })]
      : [
          project('unit', { testTimeoutMs: 10_000, group: 0 }),
          project('types', { testTimeoutMs: 10_000, group: 0 }),
          project('contract', { testTimeoutMs: 60_000, group: 0 }),
          project('simulation', { testTimeoutMs: 60_000, group: 0 }),
          project('integration', { testTimeoutMs: 30_000, group: 0 }),
          // Whole processes, killed and timed: alone, so that they measure themselves and not their neighbours.
          project('e2e', { testTimeoutMs: 120_000, group: 1, alone: true }),
        ],
  },
});
