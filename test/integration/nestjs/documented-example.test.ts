import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { main } from '../../../examples/nestjs/teller.js';

const text = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('The example of docs/nestjs.md', () => {
  it('prints what the page says', async () => {
    const lines: unknown[] = [];
    await main((line) => lines.push(line));
    expect(lines).toEqual([
      { balance: 50, unit: 1 },
      { balance: 70, unit: 2 },
      'The handler of Deposit for account/"a-1"… BadRequestException',
      'The handler of Deposit for account/"a-1"… ForbiddenException',
      ['Deposit of a-1, attempt 1', 'Deposit of a-1, attempt 1'],
    ]);
    const page = text('docs/nestjs.md');
    for (const line of lines.slice(0, 4))
      expect(page).toContain(typeof line === 'string' ? line : JSON.stringify(line));
  });

  it('is the code on the page', () => {
    const [, code] = text('examples/nestjs/teller.ts').split(/^import 'reflect-metadata';\n/m);
    expect(text('docs/nestjs.md')).toContain(code?.trim());
  });
});
