/**
 * Makes sure that there is a Redis or Valkey server for the tests: what `AQ_REDIS_SERVER` names, else the one on the PATH,
 * else Debian's package where that can be installed, else an error that says what to install. Tests start servers of their
 * own; the service that the package would start is kept from starting, and one that runs already is left alone.
 */
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { must } from './workspace.mjs';

const SERVERS = ['redis-server', 'valkey-server'];

/** Asked by the package system before it starts a service; exit code 101 forbids it. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';

/** The path of the server, which is installed if need be. */
export async function ensureRedisServer(machine = thisMachine) {
  const { named } = machine;
  if (named !== undefined) {
    if (machine.find(named) !== undefined) return named;
    throw new Error(`AQ_REDIS_SERVER names ${named}, and that is no program; give the path of a redis-server.`);
  }
  const found = machine.find(...SERVERS);
  if (found !== undefined) return found;
  const refusal = whyNotInstalled(machine);
  if (refusal !== undefined) throw new Error(refusal);
  await machine.install();
  const installed = machine.find(...SERVERS);
  if (installed === undefined)
    throw new Error('The package redis-server was installed, but no redis-server is on the PATH.');
  return installed;
}

/** Why the server cannot be installed from here, with what to do instead; undefined if it can. */
function whyNotInstalled({ platform, isRoot, debianLike, find }) {
  const needed =
    'The tests need a Redis or Valkey server (6.2 or newer), and neither redis-server nor valkey-server is on the PATH.';
  if (platform !== 'linux') return `${needed} Install one, for example with: brew install redis`;
  if (!debianLike || find('apt-get') === undefined) {
    return `${needed} Install the package redis or valkey of this system, for example with: dnf install redis, or apk add redis`;
  }
  if (!isRoot) return `${needed} Install it with: sudo apt-get install redis-server`;
  return undefined;
}

/** What the step needs to know of a machine and does to it; the tests hand in another one. */
const thisMachine = {
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  get debianLike() {
    return (
      existsSync('/etc/os-release') && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
    );
  },
  /** The tests run this one, whatever is on the PATH. */
  named: process.env.AQ_REDIS_SERVER,
  find: (...names) => findOnPath(names, process.env.PATH ?? ''),
  install: () => withServicesForbidden(POLICY_FILE, aptInstall),
};

/** Where the first of the programs is in the folders of `path`, or undefined. */
export function findOnPath(names, path) {
  for (const name of names) {
    // A path is where it is.
    for (const folder of name.includes(sep) ? [''] : path.split(delimiter)) {
      const file = folder === '' ? name : join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

async function aptInstall() {
  console.error('Installing the package redis-server …');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await must('apt-get', ['update', '-q'], { env });
  await must('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'redis-server'], { env });
}

/** Runs `install` while no service may start. A policy that is there already is the machine's own, and stays as it is. */
export async function withServicesForbidden(policyFile, install) {
  if (existsSync(policyFile)) return await install();
  writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await install();
  } finally {
    rmSync(policyFile, { force: true });
  }
}
