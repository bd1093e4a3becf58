/** `npm run bench [-- arguments]`: the benchmark, compiled and run with a garbage collector it may call. */
import { join } from 'node:path';
import { ensureCompiled, ensureInstalled, root, run, runScript } from './workspace.mjs';

await runScript(async (args) => {
  await ensureInstalled();
  await ensureCompiled('library');
  await ensureCompiled('bench');
  return run(process.execPath, ['--expose-gc', join(root, 'bench/dist/main.js'), ...args], { stdout: 'inherit' });
});
