/**
 * A server of this measuring process: started here, on a free port of the loopback address, and gone with this process,
 * whatever ends it. Ended by its process id only, so that no other server on the machine is ever touched.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

const COMPLAINT_CHARACTERS = 2_000;

export class OwnProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #endWithUs: () => void;
  #complaint = '';

  constructor(command: string, args: readonly string[], options: SpawnOptions, lastSignal: NodeJS.Signals) {
    this.#child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (piece: Buffer): void => {
      this.#complaint = (this.#complaint + piece.toString()).slice(-COMPLAINT_CHARACTERS);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#endWithUs = () => this.#child.kill(lastSignal);
    process.on('exit', this.#endWithUs);
    this.#ended = new Promise((resolve) => {
      const over = (): void => {
        process.off('exit', this.#endWithUs);
        resolve();
      };
      this.#child.once('close', over);
      this.#child.once('error', (error) => {
        this.#complaint += error.message;
        over();
      });
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** The last that it wrote. */
  get words(): string {
    return this.#complaint.trim();
  }

  /** Resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.isRunning) this.#child.kill(signal);
    await this.#ended;
  }

  /** Asks `isReady` until it resolves. @throws Error with the program's own words when it ends, or when it takes too long. */
  async ready(isReady: () => Promise<unknown>, withinMs: number, what: string): Promise<void> {
    const until = performance.now() + withinMs;
    for (;;) {
      if (!this.isRunning) throw new Error(`${what} did not start: ${this.words}`);
      try {
        await isReady();
        return;
      } catch (error) {
        if (performance.now() >= until) throw new Error(`${what} does not answer: ${String(error)}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('No free port was found.'));
      });
    });
  });
}
