/**
 * `npm start [-- arguments]`: the banking example on a machine that has only Node and npm. Arguments go to the example;
 * stdout is the example's alone, so `npm start -- --once --json` can be read by a program.
 */
import { join } from 'node:path';
import { ensureCompiled, ensureInstalled, root, run, runScript } from './workspace.mjs';

await runScript(async (args) => {
  await ensureInstalled();
  await ensureCompiled('library');
  await ensureCompiled('examples');
  const entry = join(root, 'examples/banking/dist/start.js');
  return run(process.execPath, ['--enable-source-maps', entry, ...args], { stdout: 'inherit' });
});
