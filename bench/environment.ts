/** Where the figures come from: enough to judge them, nothing that names the machine. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { describeDriver } from './sqlite-driver.js';

export interface Environment {
  readonly node: string;
  readonly platform: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly sqlite: string;
  readonly sqliteDriver: string;
  /** Of the folder in which the stores are made. */
  readonly fileSystem: string;
  /** Of the last minute before the start: much above 0 means that something else was at work. */
  readonly loadAverageBefore: number;
  readonly mode: 'quick' | 'full';
  readonly runs: number;
  readonly startedAt: string;
}

/** Magic numbers as in `man 2 statfs`. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61_267: 'ext4',
  16_914_836: 'tmpfs',
  1_481_003_842: 'xfs',
  2_435_016_766: 'btrfs',
  2_035_054_128: 'overlayfs',
  801_189_825: 'zfs',
  26: 'apfs',
};

export async function describeEnvironment(folder: string, mode: 'quick' | 'full', runs: number): Promise<Environment> {
  const driver = describeDriver();
  const { type } = await statfs(folder);
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    sqlite: driver.sqliteVersion,
    sqliteDriver: driver.name,
    fileSystem: FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`,
    loadAverageBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    mode,
    runs,
    startedAt: new Date().toISOString(),
  };
}
