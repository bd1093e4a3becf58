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

/** Whether it was built with TLS: then it misses a certificate. One that was not has other complaints, by version. */
export function serverHasTls() {
  return /No tls-cert-file configured/.test(said('--port', '0', '--tls-port', '1'));
}
