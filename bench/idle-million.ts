/**
 * 1,000,000 different accounts get one message each; then nothing happens. What the process keeps of them is its resident
 * memory above that of the started, empty node, garbage collected in both cases.
 */
import { Load } from './load.js';
import { deposit } from './messages.js';
import { type Figures, inFreshFolder, type RunContext } from './run.js';
import { openSubject } from './subject.js';

const ACCOUNTS = 1_000_000;
const WINDOW = 4_096;
const SETTLE_MS = 300;
/** Longer than the default `workerIdleTimeout`. */
const IDLE_MS = 33_000;

export async function runIdleMillion(context: RunContext): Promise<Figures[]> {
  return inFreshFolder(context.folder, async (folder) => {
    const subject = await openSubject({ folder, entities: ACCOUNTS });
    const { node, queueBus } = subject;
    // The order check has an array of 4 MB for a million accounts: written once here, so that it counts at the start.
    const startMiB = await residentMiB();
    await warmUp(subject);
    const warmMiB = await residentMiB();
    let underWay = 0;
    let resolveRoom = (): void => {};
    node.events.on('ended', () => {
      underWay -= 1;
      if (underWay <= WINDOW / 2) resolveRoom();
    });
    const startedAt = performance.now();
    for (let index = WARM_ACCOUNTS; index < ACCOUNTS; index += 1) {
      if (underWay >= WINDOW) {
        await new Promise<void>((resolve) => {
          resolveRoom = resolve;
        });
      }
      underWay += 1;
      void queueBus.enqueue(deposit(String(index), 0));
    }
    await node.whenIdle();
    const elapsedMs = performance.now() - startedAt;
    const drainedMiB = await residentMiB();
    await pause(IDLE_MS);
    const idleMiB = await residentMiB();
    await subject.stop();
    return [
      {
        messagesPerSecond: ((ACCOUNTS - WARM_ACCOUNTS) / elapsedMs) * 1_000,
        rssStartMiB: startMiB,
        rssWarmMiB: warmMiB,
        rssDrainedMiB: drainedMiB,
        rssIdleMiB: idleMiB,
        rssAboveStartMiB: idleMiB - startMiB,
        rssAboveWarmMiB: idleMiB - warmMiB,
        rssPeakMiB: process.resourceUsage().maxRSS / 1_024,
      },
    ];
  });
}

const WARM_ACCOUNTS = 1_000;
const WARM_MS = 2_000;

/** Compiled code and the store's page cache are not kept per account: they are shown apart. */
async function warmUp(subject: Awaited<ReturnType<typeof openSubject>>): Promise<void> {
  await new Load(subject, WARM_ACCOUNTS).flood(WINDOW, WARM_MS);
}

async function residentMiB(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await pause(SETTLE_MS);
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
