/** `npm run chaos [-- arguments]`: nodes and Redis servers as real processes, and everything that can happen to them. */
import { ensureRedisServer } from './redis-server.mjs';
import { ensureCompiled, ensureInstalled, runScript } from './workspace.mjs';

await runScript(async (args) => {
  await ensureInstalled();
  await ensureCompiled('library');
  await ensureRedisServer();
  const { main } = await import('../test/chaos/main.mjs');
  const code = await main(args, (words) => console.log(words));
  // Connections that were made half-open would keep this process for a while.
  process.exit(code);
});
