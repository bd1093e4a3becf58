/** `npm run build`: the library into `dist`, with type errors as errors. */
import { compile, ensureInstalled, runScript } from './workspace.mjs';

await runScript(async () => {
  await ensureInstalled();
  await compile('library');
  return 0;
});
