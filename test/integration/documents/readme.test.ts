/** What the README shows is what the examples say, and the examples run. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { payments, tour } from '../../../examples/blocking/payments.js';

const text = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const readme = text('README.md');

/** The blocks of code in the section with this heading. */
function blocks(heading: string, page = readme): string[] {
  const section = page.split(/^(?=## )/m).find((each) => each.startsWith(`## ${heading}\n`));
  if (section === undefined) throw new Error(`The README has no section "${heading}".`);
  return [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
}

/** The lines that say something, without their indentation. */
function lines(code: string): string[] {
  return code
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '// …');
}

/** A folder of its own, in which a program may leave its store. */
function workIn(): void {
  const [before, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), 'aq-readme-'))];
  process.chdir(folder);
  onTestFinished(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });
}

describe('the README', () => {
  it.each([
    ['Quick start', 0, 'accounts.ts'],
    ['Quick start', 1, 'app.module.ts'],
    ['Without NestJS', 0, 'without-nest.ts'],
    ['Testing your handlers', 0, 'testing.ts'],
  ])('shows under "%s" the whole program (block %i, %s)', (heading, index, file) => {
    const [, code] = text(`examples/readme/${file}`).split(/^\/\*\*.*\*\/\n/m);
    expect(blocks(heading)[index]).toBe(code);
  });

  it.each([
    ['Actors', 'actors/carts.ts'],
    ['Outbox', 'outbox/shipping.ts'],
    ['Reminders', 'reminders/meters.ts'],
    ['Guards, interceptors, pipes, filters', 'nestjs/teller.ts'],
    ['Cancel, pause, purge, blocked', 'blocking/payments.ts'],
  ])('shows under "%s" lines of examples/%s', (heading, example) => {
    const known = new Set(lines(text(`examples/${example}`)));
    const shown = blocks(heading).flatMap(lines);
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((line) => !known.has(line))).toEqual([]);
  });

  it('shows contracts as the example has them, and generated classes as docs/codegen.md does', () => {
    const [contract = '', call = '', ...others] = blocks('Contracts, and code made from them');
    const known = new Set(lines(text('examples/contracts/warehouse.ts')));
    expect(lines(contract).filter((line) => !known.has(line))).toEqual([]);
    expect(text('docs/codegen.md')).toContain(call);
    expect(others).toEqual([]);
  });

  it('names every page of docs/ and every folder of examples/', () => {
    const more = readme.slice(readme.indexOf('\n## More\n'));
    for (const page of readdirSync('docs')) expect(more).toContain(`(docs/${page}${page.endsWith('.md') ? '' : '/'})`);
    const examples = readdirSync('examples', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of examples) expect(text('examples/README.md')).toContain(`](${name}/`);
  });
});

describe('the programs of the README', () => {
  it('quick start: of five withdrawals at once three are paid out', async () => {
    workIn();
    const { AppModule } = await import('../../../examples/readme/app.module.js');
    const { AccountsController } = await import('../../../examples/readme/accounts.js');
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    try {
      const controller = app.get(AccountsController);
      const answers = await Promise.all(
        Array.from({ length: 5 }, () =>
          controller.withdraw('alice', { cents: 3_000 }).then(
            ({ balance }) => balance,
            (error: Error) => error.message.replace(/^.*: /, ''),
          ),
        ),
      );
      const refused = 'There are only 1000 cents in alice.';
      expect(answers).toEqual([7_000, 4_000, 1_000, refused, refused]);
      expect(await controller.balance('alice')).toEqual({ balance: 1_000 });
    } finally {
      await app.close();
    }
  });

  it.each([
    ['without-nest.ts', () => import('../../../examples/readme/without-nest.js'), ['alice pays 500']],
    ['testing.ts', () => import('../../../examples/readme/testing.js'), ['failed', 1]],
  ])('%s prints what it says', async (_, run, printed) => {
    workIn();
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    onTestFinished(() => log.mockRestore());
    await run();
    expect(log.mock.calls).toEqual([printed]);
  });

  it('blocked: a failed payment holds up its account until an operator has looked at it (M17)', async () => {
    const example = payments({ wal: { enabled: false } });
    onTestFinished(() => void example.node.stop());
    expect(await tour(example)).toEqual([
      'Pay holds up a-1: the bank is down',
      'a-1 paid 100',
      'a-1 paid 200',
      'withdrawn: 1',
    ]);
  });
});
