/**
 * Programs and folders of the harness, and their end. Whatever happens to the process that uses the harness, nothing
 * stays: what is left at its exit is killed and removed, and when it is killed itself, a small shell that holds the
 * other end of a pipe does the same.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const children = new Map();
const folders = new Set();
let guard;

/** Reads `+pid N`, `-pid N`, `+dir PATH`, `-dir PATH`; at the end of the pipe it kills and removes what is left. */
const GUARD_SCRIPT = `
pids=" "
dirs=""
while IFS=' ' read -r verb value; do
  case "$verb" in
    +pid) pids="$pids$value " ;;
    -pid) pids=$(printf '%s' "$pids" | sed "s/ $value / /") ;;
    +dir) dirs="$dirs
$value" ;;
    -dir) dirs=$(printf '%s' "$dirs" | grep -vxF -- "$value") ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
printf '%s\\n' "$dirs" | while read -r dir; do [ -n "$dir" ] && rm -rf -- "$dir"; done
`;

function tellGuard(line) {
  if (guard === undefined) {
    // A session of its own: Ctrl-C ends the whole group, and the guard must outlive that.
    guard = spawn('sh', ['-c', GUARD_SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    guard.on('error', () => {});
    guard.stdin.on('error', () => {});
    guard.unref();
    guard.stdin.unref?.();
    process.once('exit', endEverything);
  }
  guard.stdin.write(`${line}\n`);
}

function endEverything() {
  for (const child of children.keys()) {
    try {
      process.kill(child, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** A folder of its own below the system's folder for temporary files. */
export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'aq-redis-'));
  folders.add(folder);
  tellGuard(`+dir ${folder}`);
  return folder;
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  if (folders.delete(folder)) tellGuard(`-dir ${folder}`);
}

/** Starts a program whose output nobody reads. `ended` resolves when it is gone. */
export function startProgram(file, args, { cwd }) {
  const child = spawn(file, args, { cwd, stdio: 'ignore' });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      if (children.delete(child.pid)) tellGuard(`-pid ${child.pid}`);
      resolve(signal ?? `exit code ${code}`);
    });
  });
  if (child.pid !== undefined) {
    children.set(child.pid, child);
    tellGuard(`+pid ${child.pid}`);
  }
  return { child, pid: child.pid, ended };
}

/** Where a program is on the PATH, or undefined. */
export function programOnPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

/** The server's program. `AQ_REDIS_SERVER` names another one, e.g. to run the tests on Valkey. */
export function serverProgram() {
  const found = process.env.AQ_REDIS_SERVER ?? programOnPath('redis-server', 'valkey-server');
  if (found !== undefined) return found;
  throw new Error(
    'These tests need a Redis or Valkey server, and neither redis-server nor valkey-server is on the PATH. Install one (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or run npm test, which installs it where it can.',
  );
}

const handedOut = new Set();

/**
 * A free port of 127.0.0.1 whose port + 10000 is free as well, for the cluster bus. Below the range from which systems
 * take the ports of outgoing connections: a server that is down for a moment must find its port free again.
 */
export async function freePort() {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if (handedOut.has(port) || !(await isFree(port)) || !(await isFree(port + 10_000))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('No free port was found between 10000 and 22000');
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
