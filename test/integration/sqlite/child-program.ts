/**
 * The program of the child process. `commit PATH`: commits batches without end and prints the number of messages that are
 * durable after each. `work PATH`: commits enough for several checkpoints, stops, and must then end by itself.
 */
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { CommitSeries } from './commit-series.js';

const [mode, path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: commit|work PATH');
const wal = new SqliteWal({ path, logBytes: 256 * 1024 });
await wal.start();
const series = await CommitSeries.open(wal);
if (mode === 'work') {
  for (let round = 0; round < 200; round++) await series.round(50);
  await wal.stop();
  process.stdout.write('stopped\n');
} else {
  for (;;) {
    await series.round(20);
    process.stdout.write(`${series.completed} ${series.last}\n`);
  }
}
