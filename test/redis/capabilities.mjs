/** What the server's program at hand can do: tests of what it cannot are left out. */
import { spawnSync } from 'node:child_process';
import { serverProgram } from './processes.mjs';

function said(...args) {
  const { stdout, stderr } = spawnSync(serverProgram(), args, { encoding: 'utf8', timeout: 10_000 });
  return `${stdout}${stderr}`;
}

/** The first number of its version, such as 7 of `Redis server v=7.0.15`; Valkey began with 7. */
export function serverMajor() {
  return Number(/\bv=(\d+)/.exec(said('--version'))?.[1] ?? 0);
}

/** Whether it was built with TLS. One that was not stumbles over the setting; one that was misses a certificate. */
export function serverHasTls() {
  return !/Bad directive|FATAL CONFIG FILE ERROR/.test(said('--port', '0', '--tls-port', '1'));
}
