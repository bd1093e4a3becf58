/** Reads what vitest's JSON reporter wrote, and says which tests failed and why, in few lines. */
import { existsSync, readFileSync } from 'node:fs';
import { relativeToRoot } from './workspace.mjs';

const LINES_MAX = 40;

/** A paragraph for each failed test or file; one sentence when the run left nothing to read. */
export function failedTests(path) {
  if (!existsSync(path)) return ['The run ended before it could say which tests failed.'];
  const { testResults } = JSON.parse(readFileSync(path, 'utf8'));
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    const file = relativeToRoot(name);
    if (failed.length === 0) return status === 'failed' ? [`FAILED ${file}\n${short(message)}`] : [];
    return failed.map((test) => `FAILED ${file} > ${test.fullName}\n${short(test.failureMessages.join('\n'))}`);
  });
}

function short(text) {
  const lines = text.split('\n');
  if (lines.length <= LINES_MAX) return text;
  return [...lines.slice(0, LINES_MAX), `… and ${lines.length - LINES_MAX} more lines above`].join('\n');
}
