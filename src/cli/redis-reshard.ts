/** `reshard`: gives a store on Redis another number of shards per service group, while no node runs. */
import { RedisClusterStore } from '../cluster/transport/redis/redis-cluster-store.js';
import { RedisWal } from '../wal/redis/redis-wal.js';
import { reshard } from '../wal/redis/reshard.js';
import { type ReshardProgress, ReshardRefusedError, type ReshardReport } from '../wal/redis/reshard-options.js';
import { ToolLockedError } from '../wal/redis/tool-lock.js';
import { commandRuntime } from './command-runtime.js';
import { type ConsoleIo, NotDoneError } from './console-io.js';
import { printJson } from './program-options.js';
import { NO_BAR, type ProgressBar, progressBar } from './progress.js';
import { storeIdentity, walOptions, withRedisClient } from './redis-store.js';
import type { RedisAddress } from './store-address.js';
import { watchNodes } from './watched-nodes.js';

export interface ReshardRequest {
  readonly address: RedisAddress;
  /** 0: to give up an interrupted reshard. */
  readonly shards: number;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly progress: boolean;
  /** How long nodes and owners are watched for signs of life. */
  readonly watchMs: number;
}

export async function reshardStore(io: ConsoleIo, request: ReshardRequest): Promise<void> {
  const { address, shards, dryRun, json } = request;
  const report = await withRedisClient(address, async (client) => {
    const keyPrefix = address.prefix;
    const { slices } = await storeIdentity(client, address);
    const cluster = new RedisClusterStore({ client, keyPrefix });
    await cluster.start();
    const { bindings } = await cluster.view();
    const bars = new PhaseBars(io, request);
    try {
      return await reshard({
        client,
        keyPrefix,
        slices: shards,
        groups: Math.max(0, ...bindings.map(({ index }) => index + 1)),
        runtime: commandRuntime,
        dryRun,
        abandon: shards === 0,
        openWal: async () => {
          const wal = new RedisWal({ ...walOptions(address, slices), client });
          await wal.start();
          return wal;
        },
        watchNodes: async () => {
          const { nodes } = await watchNodes(() => cluster.view(), commandRuntime, request.watchMs, 'whole');
          return nodes.filter(({ alive }) => alive).map(({ record }) => record.serverId);
        },
        progress: (progress) => bars.update(progress),
      });
    } catch (error) {
      if (error instanceof ReshardRefusedError) throw new NotDoneError(error.message);
      if (error instanceof ToolLockedError) throw new NotDoneError('Another tool is changing this store.');
      throw error;
    } finally {
      bars.stop();
      await cluster.stop();
    }
  });
  if (json) printJson(io, report);
  else if (shards === 0)
    io.stdout.write(`Given up; the store has ${report.from} shards per service group, as before.\n`);
  else io.stdout.write(`${reportText(report)}\n`);
}

function reportText({ from, to, groups, pending, deadLetters, verdicts, lateOffers, dryRun }: ReshardReport): string {
  const what = `${pending} pending messages, ${deadLetters} dead letters and ${verdicts} kept verdicts of ${groups} service group${groups === 1 ? '' : 's'}`;
  if (from === to) return `The store has ${to} shards per service group already.`;
  if (dryRun) return `Would move ${what} from ${from} to ${to} shards each. Nothing was changed.`;
  const late = lateOffers === 0 ? '' : `\n${lateOffers} offers came meanwhile and are in quarantine.`;
  return `Moved ${what} from ${from} to ${to} shards each. Start the nodes with cluster.shards: ${to}.${late}`;
}

const PHASES = { watch: 'Watching', gather: 'Gathering', copy: 'Copying', switch: 'Switching' } as const;

/** A bar for each phase, one after the other. */
class PhaseBars {
  #phase: ReshardProgress['phase'] | undefined;
  #bar: ProgressBar = NO_BAR;

  constructor(
    private readonly io: ConsoleIo,
    private readonly request: ReshardRequest,
  ) {}

  update({ phase, done, total }: ReshardProgress): void {
    if (this.request.json) return;
    if (phase !== this.#phase) {
      this.stop();
      this.#phase = phase;
      this.#bar = progressBar(this.io, PHASES[phase], total, this.request.progress);
    }
    this.#bar.update(done);
  }

  stop(): void {
    this.#bar.stop();
    this.#bar = NO_BAR;
  }
}
