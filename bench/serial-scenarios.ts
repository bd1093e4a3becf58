/** One caller, one message at a time: how long from the call to the reply in hand. */
import { bareLoop } from './bare-loop.js';
import { Latencies } from './latencies.js';
import { accountName } from './load.js';
import { Balance, deposit } from './messages.js';
import { type Figures, inFreshFolder, latencyFigures, type RunContext } from './run.js';
import { checkCounts, openSubject } from './subject.js';

const ACCOUNTS = 1_000;

export async function runReplySerial(context: RunContext): Promise<Figures[]> {
  return runs(context, async (folder, durationMs, ceilingMs) => {
    const subject = await openSubject({ folder, entities: ACCOUNTS });
    const { figures, calls } = await oneAtATime(durationMs, (call) =>
      subject.queueBus.enqueueAndWait(deposit(accountName(call % ACCOUNTS), Math.floor(call / ACCOUNTS))),
    );
    await checkCounts(subject, calls);
    await subject.stop();
    const options = { folder, durability: 'commit', entities: ACCOUNTS, messagesPerCommit: 1, waiting: 0 } as const;
    return { ...figures, ceilingPerSecond: bareLoop({ ...options, durationMs: ceilingMs, serial: true }) };
  });
}

/** The query is volatile: it stands in the account's line and never touches the store, so it has no ceiling there. */
export async function runQuerySerial(context: RunContext): Promise<Figures[]> {
  return runs(context, async (folder, durationMs) => {
    const subject = await openSubject({ folder, entities: ACCOUNTS });
    const { figures } = await oneAtATime(durationMs, (call) =>
      subject.queueBus.enqueueAndWait(new Balance(accountName(call % ACCOUNTS))),
    );
    await checkCounts(subject, 0);
    await subject.stop();
    return figures;
  });
}

async function oneAtATime(
  durationMs: number,
  ask: (call: number) => Promise<unknown>,
): Promise<{ figures: Figures; calls: number }> {
  const latencies = new Latencies();
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  let calls = 0;
  for (let now = startedAt; now - startedAt < durationMs; ) {
    await ask(calls);
    const repliedAt = performance.now();
    latencies.record(repliedAt - now);
    now = repliedAt;
    calls += 1;
  }
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  const figures = {
    messagesPerSecond: (calls / elapsedMs) * 1_000,
    ...latencyFigures(latencies),
    cpuMicrosPerMessage: (user + system) / calls,
  };
  return { figures, calls };
}

async function runs(
  context: RunContext,
  run: (folder: string, durationMs: number, ceilingMs: number) => Promise<Figures>,
): Promise<Figures[]> {
  const { timings, folder } = context;
  const { warmUpMs, closedMs, ceilingMs } = timings;
  accountName(ACCOUNTS - 1);
  await inFreshFolder(folder, (fresh) => run(fresh, warmUpMs, 1));
  const figures: Figures[] = [];
  for (let index = 0; index < timings.runs; index += 1) {
    figures.push(await inFreshFolder(folder, (fresh) => run(fresh, closedMs / 2, ceilingMs / 2)));
  }
  return figures;
}
