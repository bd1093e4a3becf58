/**
 * An operator at each node: stops lines and lets them go on, withdraws messages, decides about blocked ones and about dead
 * letters, while everything else happens. What he asks for and what he is told goes into the history; of a call that fails
 * nobody knows what it did.
 */
import { Chance, sleep } from './random.mjs';

/** What an operator may be told while nodes and servers come and go. */
const EXPECTED = new Set(['INDETERMINATE', 'STORE_DEGRADED', 'NOT_OWNER', 'SHUTTING_DOWN', 'UNKNOWN_ENTITY_TYPE']);
/** A call that has not ended so long after it should have hangs, milliseconds. */
const HANGS_AFTER_MS = 30_000;
const PACE_MS = 150;
const TIDY_MS = 150;

export class Operators {
  #context;
  #chance;
  #load;
  #options;
  /** What is done again and again; undefined: nothing (more). */
  #task;
  #working = Promise.resolve();

  constructor(context, load) {
    this.#context = context;
    this.#load = load;
    this.#chance = new Chance(context.plan.seed ^ 0x5bd1e995);
  }

  /** `entities`: how many of each type get most of the load; `types`: those that lines may be stopped of. */
  run(options) {
    this.#options = options;
    this.#begin({ step: () => this.#step(), paceMs: () => this.#chance.next() * 2 * PACE_MS });
  }

  /** Resolves when every call has ended. */
  async end() {
    this.#task = undefined;
    await this.#working;
  }

  /** Lets everything go on that stands still, again and again until the end: others may still stop lines. */
  tidy() {
    this.#begin({ step: () => this.#goOn(), paceMs: () => TIDY_MS });
  }

  #begin(task) {
    this.#task = task;
    this.#working = this.#working.then(() => this.#work(task));
  }

  async #work(task) {
    while (this.#task === task) {
      const code = await this.#watched(task.step());
      if (code === 'SHUTTING_DOWN') return;
      await sleep(task.paceMs());
    }
  }

  async #watched(done) {
    const { bad } = this.#context;
    const timer = setTimeout(() => bad(`an operator has no answer after ${HANGS_AFTER_MS} ms`), HANGS_AFTER_MS);
    try {
      await done;
      return undefined;
    } catch (error) {
      // What only reads may be told by the store itself that it is away.
      if (!EXPECTED.has(error?.code) && error?.name !== 'StoreUnavailableError') {
        bad(`an operator got ${error?.code ?? error?.stack}: ${error?.message}`);
      }
      return error?.code;
    } finally {
      clearTimeout(timer);
    }
  }

  #step() {
    const dice = this.#chance.next();
    if (dice < 0.35) return this.#withdraw();
    if (dice < 0.6) return this.#stopForAWhile();
    if (dice < 0.65) return this.#resumeSome();
    if (dice < 0.85) return this.#decideBlocked(3);
    return this.#letters();
  }

  #do(operation, act) {
    return this.#context.recorder.recordOperation(operation, () => act(this.#context.node));
  }

  async #withdraw() {
    const id = this.#load.recent(this.#chance.happens(0.5));
    if (id !== undefined) await this.#do({ action: 'cancel', id }, ({ queueBus }) => queueBus.cancel(id));
  }

  async #stopForAWhile() {
    const { types, entities } = this.#options;
    const entityType = this.#chance.pick(types);
    const line = this.#chance.happens(0.15) ? [entityType] : [entityType, `e${this.#chance.below(entities)}`];
    await this.#setPaused('pause', line);
    await sleep(this.#chance.between(20, 300));
    // Now and then somebody else has to find it.
    if (this.#chance.happens(0.85)) await this.#setPaused('resume', line);
  }

  #setPaused(action, line) {
    const [entityType, entityId] = line;
    return this.#do({ action, entityType, entityId }, ({ queueBus }) => queueBus[action](...line));
  }

  async #resumeSome() {
    const lines = await this.#context.node.queueBus.paused();
    const line = this.#chance.pick(lines);
    if (line !== undefined) await this.#resume(line);
  }

  #resume({ entityType, entityId }) {
    return this.#setPaused('resume', entityId === undefined ? [entityType] : [entityType, entityId]);
  }

  async #decideBlocked(limit) {
    const { messages } = await this.#context.node.queueBus.blocked({ limit });
    await all(
      messages.map(({ id }) =>
        this.#chance.happens(0.6)
          ? this.#do({ action: 'unblock', id }, ({ queueBus }) => queueBus.retryBlocked(id))
          : this.#do({ action: 'skip', id }, ({ queueBus }) => queueBus.skipBlocked(id)),
      ),
    );
  }

  async #letters() {
    const { letters } = await this.#context.node.deadLetters.list({ limit: 200 });
    // Who comes later under the same messageId would get the id of the replay before the log knows of it.
    const letter = this.#chance.pick(letters.filter(({ messageId }) => messageId === undefined));
    if (letter === undefined) return;
    const { id } = letter;
    const action = this.#chance.pick(['replay', 'purge']);
    await this.#do({ action, id }, ({ deadLetters }) => deadLetters[action](id));
  }

  async #goOn() {
    await all((await this.#context.node.queueBus.paused()).map((line) => this.#resume(line)));
    await this.#decideBlocked(100);
  }
}

/** Waits for all of them, then fails as the first that did. */
async function all(calls) {
  const failed = (await Promise.allSettled(calls)).find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
