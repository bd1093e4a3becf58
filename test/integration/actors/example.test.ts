import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../../examples/actors/carts.js';

it('runs the example of docs/actors.md as it is written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aq-carts-'));
  try {
    expect(await main(join(folder, 'shop.db'))).toEqual([
      'tea in the cart: 2',
      'The handler of AddItem for cart/"c-1" failed: Error: There is no price for "sofa".',
      'the last of 100 visitors is number 100',
      'after the restart: 2 items, 3800 cents',
      'the next visitor is number 101',
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('shows in docs/actors.md what stands in the example', async () => {
  const [page, code] = await Promise.all(
    ['docs/actors.md', 'examples/actors/carts.ts'].map((path) =>
      readFile(new URL(`../../../${path}`, import.meta.url), 'utf8'),
    ),
  );
  const shown = /```ts\n(@Actor\('cart'[\s\S]*?)\n}\n```/.exec(page ?? '')?.[1];
  expect(shown).toBeDefined();
  expect(code).toContain(shown);
});
