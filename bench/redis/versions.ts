/** Versions of installed packages, read from their own `package.json`, also where a package does not export it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function versionOf(packageName: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(packageName)));
  for (; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (!existsSync(path)) continue;
    const found = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
    if (found.name === packageName && found.version !== undefined) {
      return `${packageName} ${found.version.replace(/^v/, '')}`;
    }
  }
  return packageName;
}
