/** A paragraph for each failed test or file in what vitest's JSON reporter wrote to `path`. */
export function failedTests(path: string): string[];
