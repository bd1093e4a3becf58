/**
 * Callers: each waits for the answer to one call before it makes the next. Kinds of calls are mixed by chance from the
 * plan's seed. Every call must end in time, with an answer or with an error code that the contract has.
 */
import { ENTITIES } from './entities.mjs';
import { Chance, sleep } from './random.mjs';

/** What callers may be told while nodes and servers come and go. */
const EXPECTED = new Set([
  'REPLY_TIMEOUT',
  'HANDLER_FAILED',
  'INTERRUPTED',
  'EXPIRED',
  'CANCELLED',
  'QUEUE_DEPTH_EXCEEDED',
  'BACKPRESSURE',
  'STORE_DEGRADED',
  'NOT_OWNER',
  'INDETERMINATE',
  'SHUTTING_DOWN',
  'ENTITY_PAUSED',
]);
/** A call that has not ended so long after it should have hangs, milliseconds. */
const HANGS_AFTER_MS = 20_000;
const WAIT_MS = 8_000;
/** Share of the calls that are followed at once by a question to the same entity, which must see them. */
const ASKS_SHARE = 0.2;

const DEFAULTS = {
  clients: 8,
  paceMs: 10,
  entities: 6,
  cold: 200,
  slowShare: 0.16,
  slowMs: 5,
  steady: false,
  operators: false,
};

/** An answer that names any call. */
const ANY = Symbol('any');

export class Load {
  #context;
  #bus;
  #chance;
  #options;
  #calls = 0;
  #ended = false;
  #clients = [];
  #types = [];
  #recent = {};

  constructor(context) {
    this.#context = context;
    const { node, plan, recorder } = context;
    this.#chance = new Chance(plan.seed);
    const raw = node.queueBus;
    this.#bus = recorder.wrapBus(
      {
        enqueue: (m, options) => raw.enqueue(m.entityType, 'do', m.entityId, m.payload, options),
        enqueueAndWait: (m, options) =>
          raw.enqueueAndWait(m.entityType, m.kind === 'query' ? 'ask' : 'do', m.entityId, m.payload, options),
      },
      {
        address: ({ entityType, entityId, kind = 'command' }) => ({ entityType, entityId, kind }),
        callOf: (m) => m.payload.call,
      },
    );
  }

  /**
   * `clients`; `paceMs`: pause of each after a call, on average; `entities` get most calls, `cold` the rest; `slowShare` of
   * the handlers take up to `slowMs`; `steady`: only commands, each client on one entity of its
   * own (`entities` in all), so that every entity always has something to do; `operators`: somebody is there to decide
   * about lines that are blocked.
   */
  run(options) {
    this.#options = { ...DEFAULTS, ...options };
    const { operators } = this.#options;
    this.#types = Object.keys(ENTITIES).filter((type) => operators || ENTITIES[type].onFailure !== 'block');
    this.#clients = Array.from({ length: this.#options.clients }, (_, index) => this.#client(index));
  }

  /** Resolves when every call has ended. */
  async end() {
    this.#ended = true;
    await Promise.all(this.#clients);
  }

  /** The id of the message that was sent last; `delayed`: of one that is not due yet, perhaps. */
  recent(delayed) {
    return this.#recent[delayed ? 'delayed' : 'due'];
  }

  async #client(index) {
    const { paceMs, steady } = this.#options;
    while (!this.#ended) {
      const calling = steady ? this.#steadyStep(index) : this.#step();
      const code = await this.#watched(calling);
      if (code === 'SHUTTING_DOWN') return;
      const mayAsk = code === undefined && !steady && this.#context.plan.handles;
      if (mayAsk && this.#chance.happens(ASKS_SHARE)) {
        await this.#watched(this.#ask(calling.target));
        continue;
      }
      await sleep(code === undefined ? this.#chance.next() * 2 * paceMs : 20 + this.#chance.below(60));
    }
  }

  async #watched({ what, done }) {
    let timer;
    const hangs = new Promise((resolve) => {
      timer = setTimeout(resolve, HANGS_AFTER_MS, 'HANGS');
    });
    const code = await Promise.race([done, hangs]);
    clearTimeout(timer);
    if (code !== 'HANGS') return code;
    this.#context.bad(`${what} hangs: no answer after ${HANGS_AFTER_MS} ms`);
    return done;
  }

  #steadyStep(index) {
    const target = { entityType: 'plain', entityId: `s${index % this.#options.entities}` };
    return this.#send(target, { act: 'ok' });
  }

  #step() {
    const dice = this.#chance.next();
    const target = this.#target();
    if (dice < 0.42) return this.#send(target);
    if (dice < 0.66) return this.#send(target, {}, { timeoutMs: WAIT_MS }, true);
    if (dice < 0.74) {
      const messageId = `key ${this.#chance.below(60)}`;
      return this.#send({ entityType: 'plain', entityId: 'e1' }, {}, { messageId }, this.#chance.happens(0.3));
    }
    if (dice < 0.8) return this.#send(target, { act: 'ok' }, { delayMs: this.#chance.below(400) });
    if (dice < 0.84) return this.#send(target, { act: 'ok' }, { expiresInMs: 20 + this.#chance.below(2_000) });
    if (dice < 0.9) return this.#send({ ...target, entityType: 'again' }, { act: 'slow' });
    if (dice < 0.95 && this.#context.plan.handles) return this.#ask(target);
    return this.#send({ ...target, entityType: 'flaky' }, { act: 'fail once' });
  }

  #target() {
    const { entities, cold } = this.#options;
    const entityType = this.#chance.pick(this.#types);
    const hot = this.#chance.happens(0.6);
    return { entityType, entityId: `e${this.#chance.below(hot ? entities : cold)}` };
  }

  #act(entityType) {
    const dice = this.#chance.next();
    const { slowShare } = this.#options;
    if (dice < slowShare) return 'slow';
    if (dice < slowShare + 0.8 * (1 - slowShare)) return 'ok';
    if (entityType === 'careful') return this.#chance.pick(['fail', 'fail twice', 'ok', 'ok']);
    return entityType === 'flaky' ? this.#chance.pick(['fail', 'fail once']) : 'ok';
  }

  #send(target, { act = this.#act(target.entityType) } = {}, options = {}, wait = false) {
    const payload = this.#payload(act);
    const message = { ...target, payload };
    const what = `${wait ? 'enqueueAndWait' : 'enqueue'} ${payload.call} to ${target.entityType}/${target.entityId}`;
    const sent = wait
      ? this.#bus.enqueueAndWait(message, { timeoutMs: WAIT_MS, ...options })
      : this.#bus.enqueue(message, options).then((receipt) => this.#remember(receipt, options));
    // Of a message with a key the answer may be that of the first one.
    const expected = !wait ? undefined : options.messageId === undefined ? payload.call : ANY;
    return { what, target, done: this.#code(sent, what, expected) };
  }

  #ask(target) {
    const payload = this.#payload(this.#chance.happens(this.#options.slowShare) ? 'slow' : 'ok');
    const what = `query ${payload.call} to ${target.entityType}/${target.entityId}`;
    const asked = this.#bus.enqueueAndWait({ ...target, kind: 'query', payload }, { timeoutMs: WAIT_MS });
    return { what, target, done: this.#code(asked, what, payload.call) };
  }

  #remember({ id }, { messageId, delayMs }) {
    if (messageId !== undefined) return;
    this.#recent[delayMs === undefined ? 'due' : 'delayed'] = id;
  }

  /** Resolves with the code of the refusal, or with undefined. `expected`: the call that the answer must name. */
  async #code(sent, what, expected) {
    try {
      const answer = await sent;
      const isRight = expected === ANY ? answer?.call !== undefined : answer?.call === expected;
      if (expected !== undefined && !isRight) this.#context.bad(`${what} got ${JSON.stringify(answer)}`);
      return undefined;
    } catch (error) {
      if (!EXPECTED.has(error?.code)) {
        this.#context.bad(`${what} got ${error?.code ?? error?.stack}: ${error?.message}`);
      }
      return error?.code ?? 'UNEXPECTED';
    }
  }

  #payload(act) {
    this.#calls += 1;
    const { name, life } = this.#context.plan;
    const { slowMs } = this.#options;
    const ms = this.#chance.happens(0.1) ? 20 + this.#chance.below(60) : 1 + this.#chance.below(slowMs);
    return { call: `${name}.${life}.${this.#calls}`, act, ms };
  }
}
