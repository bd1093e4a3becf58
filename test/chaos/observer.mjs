/** Reads what the store holds, as a process that owns nothing. */
import { openShared } from '../../dist/bus/open-shared.js';
import { resolveConfig } from '../../dist/runtime/config.js';
import { silentLogger } from '../../dist/runtime/logger.js';
import { systemRuntime } from '../../dist/runtime/runtime.js';
import { HistoryBuffer } from '../../dist/testing/history-log.js';
import { HistoryRecorder } from '../../dist/testing/history-recorder.js';
import { recordFinal } from '../../dist/testing/history-recording-wal.js';
import { sleep } from './random.mjs';

const DRAINED_WITHIN_MS = 45_000;
/** Nothing was pending for so long: longer than any poll of an inbox takes. */
const STILL_MS = 1_200;

export class Observer {
  #parts;

  static async start(redis) {
    const observer = new Observer();
    const config = resolveConfig({ redis, cluster: { serverId: 'observer' } });
    observer.#parts = openShared(config, systemRuntime, silentLogger);
    await observer.#parts.connect?.();
    await observer.#parts.wal.start();
    return observer;
  }

  get shards() {
    return Array.from({ length: this.#parts.wal.description.shardCount }, (_, shard) => shard);
  }

  async counts() {
    const { wal } = this.#parts;
    return Promise.all(this.shards.map((shard) => wal.counts(shard)));
  }

  async pending() {
    return (await this.counts()).reduce((sum, { pending }) => sum + pending, 0);
  }

  /** Resolves with how much is left: 0 once everything was done for a while. */
  async drained(withinMs = DRAINED_WITHIN_MS) {
    const endsAt = performance.now() + withinMs;
    let stillSince = performance.now();
    for (;;) {
      const pending = await this.pending().catch(() => -1);
      const now = performance.now();
      if (pending !== 0) stillSince = now;
      if (now - stillSince > STILL_MS) return 0;
      if (now > endsAt) return pending;
      await sleep(50);
    }
  }

  /** `final` events of all shards. */
  async final() {
    const buffer = new HistoryBuffer();
    const recorder = new HistoryRecorder({ node: 'observer', sink: buffer });
    await recordFinal(this.#parts.wal, recorder, this.shards);
    return buffer.events;
  }

  async stop() {
    await this.#parts.wal.stop();
    await this.#parts.disconnect?.();
  }
}
