/** `npm run test:soak [-- arguments for vitest]`: the long runs of `test/soak`, which `npm test` leaves out. */
import { commandOf, ensureCompiled, ensureInstalled, run, runScript } from './workspace.mjs';

await runScript(async (args) => {
  await ensureInstalled();
  await ensureCompiled('library');
  return run(process.execPath, [commandOf('vitest'), 'run', '--project', 'soak', ...args], {
    env: { AQ_SOAK: '1' },
    stdout: 'inherit',
  });
});
