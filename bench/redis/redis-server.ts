/**
 * The Redis that a row is measured on: a fresh server for each run, with the append-only file flushed every second and no
 * snapshots, in the run's own folder.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis, type RedisOptions } from 'ioredis';
import { NotMeasured } from '../run.js';
import { freePort, LOOPBACK, OwnProcess } from './own-process.js';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisServer extends RedisAddress {
  /** The benchmark's own connection; it is left out of everything that is counted. */
  readonly admin: Redis;
  stop(): Promise<void>;
}

/** Connections of the benchmark itself bear names that begin with this. */
export const OWN_NAME = 'bench-';

const COMMANDS = ['redis-server', 'valkey-server'] as const;
const START_MS = 5_000;

interface Program {
  readonly command: string;
  readonly version: string;
}

let found: Promise<Program> | undefined;

/** @throws NotMeasured when there is no server on the PATH. */
export function redisProgram(): Promise<Program> {
  found ??= findProgram();
  return found;
}

async function findProgram(): Promise<Program> {
  for (const command of COMMANDS) {
    try {
      const { stdout } = await promisify(execFile)(command, ['--version']);
      return { command, version: `${command} ${/v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim()}` };
    } catch {
      // Not on the PATH: the next one may be.
    }
  }
  throw new NotMeasured(`needs ${COMMANDS.join(' or ')} on the PATH`);
}

export async function startRedis(folder: string): Promise<RedisServer> {
  const { command } = await redisProgram();
  const port = await freePort();
  const settings = {
    bind: LOOPBACK,
    port: String(port),
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
    maxclients: '10000',
    loglevel: 'warning',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = new OwnProcess(command, args, { cwd: folder }, 'SIGKILL');
  const admin = connect({ host: LOOPBACK, port, lazyConnect: true, connectionName: `${OWN_NAME}admin` });
  try {
    await server.ready(() => admin.connect().then(() => admin.ping()), START_MS, command);
  } catch (error) {
    admin.disconnect();
    await server.end('SIGKILL');
    throw error;
  }
  return {
    host: LOOPBACK,
    port,
    admin,
    stop: async () => {
      admin.disconnect();
      // Nobody reads its data any more: it need not write them out.
      await server.end('SIGKILL');
    },
  };
}

/** A connection whose errors are seen by the commands they concern, and do not end the process while a server goes. */
export function connect(options: Omit<RedisOptions, 'replyMapping'>): Redis {
  const redis = new Redis({ ...options, retryStrategy: () => null });
  redis.on('error', () => {});
  return redis;
}
