/**
 * Keeps the store's log short without holding the event loop: a thread copies the log into the store, then commits (not
 * the event loop) are held for the short rest, after which the log starts over in its file. Measured: copying and
 * flushing on the main thread held it for 11 to 22 ms.
 *
 * Owns the thread and the gate that commits wait at. A reader in another process that holds a long transaction keeps the
 * log from starting over; it then grows until that reader lets go.
 */
import { Worker } from 'node:worker_threads';
import { CHECKPOINT_WORKER } from './checkpoint-worker.js';
import type { LogFile } from './log-file.js';

export interface CheckpointerOptions {
  readonly path: string;
  readonly inboxPath: string;
  /** What the thread requires to get SQLite; without it, `checkpointHere` runs on the main thread. */
  readonly workerModule: string | undefined;
  readonly checkpointHere: () => void;
  readonly log: LogFile;
  /** A background flush failed: what was written may be lost, whatever a later flush says. */
  readonly flushFailed: (cause: unknown) => void;
  /** The log is copied from this size on, bytes. */
  readonly startBytes: number;
}

type Step = 'copy' | 'finish' | 'inbox' | 'stop';

interface StepResult {
  readonly step: Step;
  readonly restarted?: boolean;
  readonly failed?: string;
}

/**
 * A look at the log costs 5 to 20 µs: one for so many commits that carry less than this, or fewer larger ones. Of a short
 * log, less is this part, so that it does not grow far between two looks.
 */
const COMMITS_PER_LOOK = 16;
const SMALL_COMMIT_BYTES = 64 * 1024;
const SMALL_COMMIT_PART = 1 / 256;
/** While the log is at this multiple of `startBytes`, commits are held until it is copied. */
const HOLD_FACTOR = 2.25;
/** A file of the log that has grown past this multiple is cut to it when the log starts over. */
export const FILE_FACTOR = 3;
/**
 * The log is flushed in the background each time it has grown this much. One flush of all of it, when the copying begins,
 * would block writes to the same file for longer (measured at full load, p99.9 of a commit: 12 ms instead of 3).
 */
const FLUSH_BYTES = 2 * 1024 * 1024;
/** A log up to this size is copied on the main thread at the end. */
const CLOSING_BYTES_MAX = 1024 * 1024;

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #worker: Worker | undefined;
  #waiting: { step: Step; resolve: (result: StepResult) => void } | undefined;
  #queue: Promise<void> = Promise.resolve();
  #gate: { readonly opened: Promise<void>; readonly open: () => void } | undefined;
  readonly #smallBytes: number;
  #commitsUntilLook = COMMITS_PER_LOOK;
  #running = false;
  #stopped = false;
  #nextBytes: number;
  #flushedBytes = 0;
  /** Why the last checkpoint failed; undefined after one that worked. */
  lastFailure: string | undefined;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#nextBytes = options.startBytes;
    this.#smallBytes = Math.min(SMALL_COMMIT_BYTES, options.startBytes * SMALL_COMMIT_PART);
  }

  /** While set, writes wait for it. */
  get gate(): Promise<void> | undefined {
    return this.#gate?.opened;
  }

  /** The thread is made when it is first needed: a store that writes little never has one. */
  #start(): void {
    const { workerModule, path, inboxPath, startBytes } = this.#options;
    if (workerModule === undefined || this.#worker !== undefined) return;
    const logBytesMax = startBytes * FILE_FACTOR;
    const worker = new Worker(CHECKPOINT_WORKER, {
      eval: true,
      workerData: { module: workerModule, path, inboxPath, logBytesMax },
    });
    worker.unref();
    worker.on('message', (result: StepResult) => this.#answered(result));
    worker.on('error', (error) => {
      this.lastFailure = error.message;
      this.#worker = undefined;
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      const { step } = this.#waiting ?? {};
      if (step !== undefined) this.#answered({ step, failed: this.lastFailure ?? 'the checkpoint thread ended' });
    });
    this.#worker = worker;
  }

  /** Called after each commit. @param carriedBytes about what it wrote; the log may grow by several times that. */
  committed(carriedBytes: number): void {
    this.#commitsUntilLook -= 1 + Math.floor(carriedBytes / this.#smallBytes);
    if (this.#commitsUntilLook > 0) return;
    const { log } = this.#options;
    const { bytes } = log;
    this.#commitsUntilLook = COMMITS_PER_LOOK;
    if (bytes < this.#flushedBytes) this.#flushedBytes = bytes;
    if (bytes - this.#flushedBytes >= FLUSH_BYTES && log.flushing === undefined) {
      this.#flushedBytes = bytes;
      log.flush().catch(this.#options.flushFailed);
    }
    if (this.#running) {
      if (bytes >= this.#options.startBytes * HOLD_FACTOR && this.lastFailure === undefined) this.#hold();
      return;
    }
    if (bytes >= this.#nextBytes && !this.#stopped) void this.run();
  }

  /** Copies the whole log and lets it start over. Never rejects: what went wrong is in `lastFailure`. */
  run(): Promise<void> {
    this.#running = true;
    this.#queue = this.#queue.then(() => this.#checkpoint());
    return this.#queue;
  }

  checkpointInbox(): void {
    if (this.#stopped) return;
    this.#queue = this.#queue.then(async () => {
      this.#start();
      if (this.#worker !== undefined) await this.#ask('inbox');
    });
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    // What is left is copied when the store is closed; only a long log needs the thread for it.
    await (this.#running || this.#options.log.bytes > CLOSING_BYTES_MAX ? this.run() : this.#queue);
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.ref();
    await this.#ask('stop');
    await ended;
  }

  async #checkpoint(): Promise<void> {
    const { log, startBytes } = this.#options;
    this.#running = true;
    this.#start();
    const result = this.#worker === undefined ? this.#checkpointHere() : await this.#copyAndFinish();
    this.lastFailure = result.failed;
    this.#running = false;
    this.#release();
    const restarted = result.failed === undefined && result.restarted === true;
    this.#nextBytes = restarted ? startBytes : log.bytes + startBytes / 2;
  }

  async #copyAndFinish(): Promise<StepResult> {
    const copied = await this.#ask('copy');
    if (copied.failed !== undefined) return copied;
    this.#hold();
    return this.#ask('finish');
  }

  #checkpointHere(): StepResult {
    try {
      this.#options.checkpointHere();
      return { step: 'finish', restarted: true };
    } catch (error) {
      return { step: 'finish', failed: String(error) };
    }
  }

  #ask(step: Step): Promise<StepResult> {
    const worker = this.#worker;
    if (worker === undefined)
      return Promise.resolve({ step, failed: this.lastFailure ?? 'there is no checkpoint thread' });
    return new Promise((resolve) => {
      this.#waiting = { step, resolve };
      // Commits may wait for this answer, and a process must not end before them.
      worker.ref();
      worker.postMessage(step);
    });
  }

  #answered(result: StepResult): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    if (result.step !== 'stop') this.#worker?.unref();
    waiting.resolve(result);
  }

  #hold(): void {
    if (this.#gate !== undefined) return;
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#gate = { opened, open };
  }

  #release(): void {
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.open();
  }
}
