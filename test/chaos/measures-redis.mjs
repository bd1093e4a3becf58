/** How long work stands still when Redis restarts, or another server becomes the primary, and what is lost by it. */
import { spread } from './figures.mjs';
import { sleep } from './random.mjs';
import { line } from './report.mjs';

/** Between two outages: long enough for a rate of before. */
const CALM_MS = 4_000;

export async function measureOutages(what, { seed, times = 8, durability }, print, { inRounds, summary }) {
  const results = await inRounds(
    { seed, times },
    print,
    (done) => planOf(what, done, durability),
    async (context, index) => {
      const { cast, servers } = context;
      const from = Date.now();
      if (what === 'promotion') {
        const { cutAt, promotedAt } = await servers.promote({ aloneMs: [100, 400, 800][index % 3] });
        const isLossy = cast.durability === 'async';
        // With replicas to wait for, the primary takes writes when its replica is there.
        if (!isLossy) await servers.inSync();
        cast.figures.outages.push({ from: cutAt, at: isLossy ? promotedAt : Date.now() });
        if (isLossy) cast.lossy.push({ from: cutAt - 500, to: promotedAt + 50 });
        await servers.inSync();
      } else {
        const kill = index % 2 === 1;
        const at = await servers.restart({ kill, downMs: [0, 500, 1_500][index % 3] });
        cast.figures.outages.push({ from, at });
        if (kill && cast.appendfsync === 'everysec') cast.lossy.push({ from: from - 2_000, to: from + 100 });
      }
      await sleep(CALM_MS);
    },
  );
  const back = spread(results.flatMap(({ figures }) => figures.backMs));
  print(line('throughput back after a writable primary', back));
  print(`facts lost within what Redis documents: ${results.reduce((sum, { losses }) => sum + losses.length, 0)}`);
  return summary(results, print);
}

function planOf(what, done, durability) {
  const round = done / 8;
  if (what === 'promotion') {
    return { servers: 'replica', direct: false, durability: durability ?? ['replicated(1)', 'async'][round % 2] };
  }
  return { appendfsync: ['everysec', 'always'][round % 2], direct: false };
}
