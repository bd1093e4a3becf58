/** A process of the chaos run as its parent sees it: starts it, gives it orders, and does it harm by its id. */
import { fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HistoryFile } from '../../dist/testing/history-log.js';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
const ANSWERS_IN_MS = 60_000;

export class NodeProcess {
  name;
  /** `new`, `up`, `frozen`, `stopped`, `killed` or `gone` (it ended by itself). */
  state = 'new';
  #child;
  #life = 0;
  #round;
  #plan;
  #expecting = new Map();
  #ended = Promise.resolve();
  #tidies = false;

  /** `round`: `{folder, history, notes}`; `notes` is the parent's own sink of the history. */
  constructor(name, round, plan) {
    this.name = name;
    this.#round = round;
    this.#plan = plan;
  }

  get pid() {
    return this.#child?.pid;
  }

  get isUp() {
    return this.state === 'up';
  }

  get handles() {
    return this.#plan.handles;
  }

  /** Starts it (again) and waits until its node has started. */
  async start(changes = {}) {
    this.#life += 1;
    Object.assign(this.#plan, changes);
    const { folder, history, notes } = this.#round;
    const plan = { ...this.#plan, name: this.name, life: this.#life, history, seed: this.#plan.seed + this.#life };
    const errors = openSync(join(folder, 'stderr.txt'), 'a');
    const child = fork(CHILD, [JSON.stringify(plan)], { stdio: ['ignore', errors, errors, 'ipc'] });
    closeSync(errors);
    this.#child = child;
    this.state = 'up';
    child.on('message', (message) => this.#hear(message));
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const was = this.state;
        this.state = was === 'up' || was === 'frozen' ? 'gone' : was;
        // The end of a life is told at the place where it happened.
        if (was !== 'stopped') notes.append({ type: 'crashed', node: this.name, seq: 0, at: Date.now() });
        if (this.state === 'gone') {
          const words = `${this.name} ended by itself with ${signal ?? `exit code ${code}`}`;
          notes.append({ type: 'bad', words, node: 'parent', seq: 0, at: Date.now() });
        }
        for (const { reject } of this.#expecting.values()) reject(new Error(`${this.name} has ended`));
        this.#expecting.clear();
        resolve();
      });
    });
    const told = await this.#expect('started');
    if (told.is === 'failed') throw new Error(`${this.name} did not start: ${told.words}`);
  }

  load(options) {
    this.#tell({ do: 'load', options });
  }

  async describe() {
    this.#tell({ do: 'describe' });
    return this.#expect('description', 2_000);
  }

  /** Lets every line go on that an operator has stopped or a message blocks, from now on. */
  tidy() {
    this.#tidies = true;
    this.#tell({ do: 'tidy' });
  }

  /** No more calls; resolves when all that were made have ended. */
  async quiet() {
    if (!this.isUp) return;
    this.#tell({ do: 'quiet', tidies: this.#tidies });
    await this.#expect('quiet');
  }

  async stall(ms) {
    this.#tell({ do: 'stall', ms });
    await this.#expect('stalled');
  }

  /** A graceful stop; resolves with what the node reports, when the process has ended. */
  async stop() {
    if (!this.isUp) return undefined;
    this.#tell({ do: 'stop' });
    const report = await this.#expect('stopped');
    this.state = 'stopped';
    await this.#ended;
    return report;
  }

  /** `kill -9`; resolves with the wall time of the kill, when the process has ended. */
  async kill() {
    const at = Date.now();
    if (this.state === 'frozen' || this.state === 'up') {
      this.state = 'killed';
      this.#child.kill('SIGKILL');
    }
    await this.#ended;
    return at;
  }

  freeze() {
    this.#note('frozen');
    this.#child.kill('SIGSTOP');
    this.state = 'frozen';
  }

  thaw() {
    if (this.state !== 'frozen') return;
    this.#note('thawed');
    this.#child.kill('SIGCONT');
    this.state = 'up';
  }

  #note(type) {
    this.#round.notes.append({ type, node: this.name, seq: 0, at: Date.now() });
  }

  #tell(order) {
    if (this.#child?.connected) this.#child.send(order, () => {});
  }

  #hear(message) {
    const what = message.is === 'failed' ? 'started' : message.is;
    this.#expecting.get(what)?.resolve(message);
    this.#expecting.delete(what);
  }

  #expect(what, timeoutMs = ANSWERS_IN_MS) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#expecting.delete(what);
        reject(new Error(`${this.name} did not say "${what}" within ${timeoutMs} ms`));
      }, timeoutMs);
      const done = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      this.#expecting.set(what, { resolve: done(resolve), reject: done(reject) });
    });
  }
}

export function parentNotes(path) {
  return new HistoryFile(path);
}
