/**
 * A PostgreSQL of this measuring process: its own cluster in its own folder, made by `initdb`. PostgreSQL refuses to run
 * as root; then it runs as the user `postgres`, or `nobody`.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { NotMeasured } from '../run.js';
import { freePort, LOOPBACK, OwnProcess } from './own-process.js';

export interface PostgresServer {
  readonly pool: pg.Pool;
  readonly version: string;
  stop(): Promise<void>;
}

interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

const START_MS = 15_000;
const DEBIAN_FOLDER = '/usr/lib/postgresql';

/** @throws NotMeasured when PostgreSQL cannot be run here. */
export async function startPostgres(folder: string, connections: number): Promise<PostgresServer> {
  const programs = await findPrograms();
  const runAs = await userToRunAs();
  const data = join(folder, 'postgres');
  await mkdir(data, { mode: 0o700 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    await chown(data, runAs.uid, runAs.gid);
    // The other user must be able to walk to its folder.
    for (const each of [folder, dirname(folder)]) await chmod(each, 0o711);
  }
  const init = ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await promisify(execFile)(programs.initdb, init, { ...runAs, cwd: data }).catch((error: Error) => {
    throw new NotMeasured(`initdb failed: ${error.message.slice(0, 300)}`);
  });
  const port = await freePort();
  const settings = {
    listen_addresses: LOOPBACK,
    port: String(port),
    unix_socket_directories: '',
    max_connections: String(connections + 5),
    shared_buffers: '128MB',
    // As much may be lost with the power as with Redis' append-only file that is flushed every second, or less.
    synchronous_commit: 'off',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const server = new OwnProcess(programs.postgres, args, { cwd: data, ...runAs }, 'SIGQUIT');
  const pool = new pg.Pool({ host: LOOPBACK, port, user: 'bench', database: 'postgres', max: connections });
  pool.on('error', () => {});
  const stop = async (): Promise<void> => {
    await pool.end();
    await server.end('SIGQUIT');
  };
  try {
    await server.ready(() => pool.query('SELECT 1'), START_MS, 'postgres');
    const answer = await pool.query<{ server_version: string }>('SHOW server_version');
    return { pool, stop, version: `PostgreSQL ${answer.rows[0]?.server_version ?? ''}`.trim() };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function findPrograms(): Promise<{ postgres: string; initdb: string }> {
  for (const folder of ['', ...(await debianFolders())]) {
    const postgres = join(folder, 'postgres');
    try {
      await promisify(execFile)(postgres, ['--version']);
      return { postgres, initdb: join(folder, 'initdb') };
    } catch {
      // Not there: the next place may have it.
    }
  }
  throw new NotMeasured('needs postgres and initdb on the PATH');
}

async function debianFolders(): Promise<string[]> {
  const versions = await readdir(DEBIAN_FOLDER).catch(() => []);
  return versions.map((version) => join(DEBIAN_FOLDER, version, 'bin'));
}

async function userToRunAs(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((each) => each[0] === name);
    if (user !== undefined) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new NotMeasured('PostgreSQL does not run as root, and there is no other user to run it as');
}
