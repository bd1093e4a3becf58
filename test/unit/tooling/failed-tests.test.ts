import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { failedTests } from '../../../scripts/failed-tests.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'failed-tests-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(...testResults: readonly object[]): string {
  const path = join(folder, 'results.json');
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

test('names each failed test with its message, and no other', () => {
  const tests = [
    { status: 'passed', fullName: 'adds', failureMessages: [] },
    { status: 'failed', fullName: 'subtracts', failureMessages: ['expected 1 to be 2'] },
  ];
  const path = written({ name: '/a.test.ts', status: 'failed', message: '', assertionResults: tests });
  expect(failedTests(path)).toEqual([expect.stringMatching(/FAILED .*a\.test\.ts > subtracts\nexpected 1 to be 2/)]);
});

test('names a file that could not be loaded', () => {
  const path = written({ name: '/b.test.ts', status: 'failed', message: 'no such module', assertionResults: [] });
  expect(failedTests(path)).toEqual([expect.stringMatching(/FAILED .*b\.test\.ts\nno such module/)]);
});

test('cuts a long message and says how much is missing', () => {
  const message = Array.from({ length: 100 }, (_, line) => `line ${line}`).join('\n');
  const tests = [{ status: 'failed', fullName: 'long', failureMessages: [message] }];
  const [text] = failedTests(written({ name: '/c.test.ts', status: 'failed', message: '', assertionResults: tests }));
  expect(text).toContain('line 39\n… and 60 more lines above');
});

test('says so when the run left nothing to read', () => {
  expect(failedTests(join(folder, 'absent.json'))).toEqual([expect.stringContaining('ended before')]);
});
