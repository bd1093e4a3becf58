/** What docs/outbox.md and docs/reminders.md show runs, and does what they say. */
import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { shop, tour } from '../../../examples/outbox/shipping.js';
import { meters, tour as meterTour } from '../../../examples/reminders/meters.js';

/** The lines of a page that are in its code blocks, without indentation. */
async function shown(page: string): Promise<string[]> {
  const text = await readFile(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)]
    .flatMap(([, code = '']) => code.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '// …');
}

async function expectFrom(page: string, example: string): Promise<void> {
  const source = await readFile(new URL(`../../../examples/${example}`, import.meta.url), 'utf8');
  const lines = new Set(source.split('\n').map((line) => line.trim()));
  const code = await shown(page);
  expect(code.length).toBeGreaterThan(5);
  expect(code.filter((line) => !lines.has(line))).toEqual([]);
}

it('sends with the completion of its handler, or not at all (docs/outbox.md)', async () => {
  const example = shop({ wal: { enabled: false } });
  onTestFinished(() => void example.node.stop());
  expect(await tour(example)).toEqual([
    'o-1 paid 1900',
    'lamp packed for o-1',
    'mail to o-1: paid 1900',
    'o-2 failed: nothing was paid',
  ]);
  await expectFrom('outbox.md', 'outbox/shipping.ts');
});

it('sends again and again, and tells when next (docs/reminders.md)', async () => {
  const example = meters({ wal: { enabled: false } });
  onTestFinished(() => void example.node.stop());
  const left = await meterTour(example);
  expect(example.log).toEqual(['m-7 read', 'm-7 read', 'done']);
  expect(left).toMatchObject([{ name: 'bill', entityType: 'tenant', entityId: 't-1', message: 'Bill' }]);
  expect(new Date(left[0]?.nextRunAt ?? 0).getUTCMinutes()).toBe(0);
  await expectFrom('reminders.md', 'reminders/meters.ts');
});
