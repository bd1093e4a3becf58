/**
 * The load: clients that send commands and queries in every form that the bus has, withdraw, pause, replay and purge, as
 * chance (from the seed) decides. Every call is in the history, and what its caller was told is in the effects log.
 */
import { EntityType, QueueEntityId } from 'atomic-queues/core';

/** What may happen to a call when nothing is wrong. */
const EXPECTED = new Set([
  'HANDLER_FAILED',
  'INTERRUPTED',
  'EXPIRED',
  'CANCELLED',
  'REPLY_TIMEOUT',
  'DEADLOCK',
  'SHUTTING_DOWN',
  'ENTITY_PAUSED',
  'WORKER_LIMIT_EXCEEDED',
]);

/** Calls get numbers that grow from one life of the process to the next. */
const CALLS_PER_LIFE = 1_000_000;
/** From as many pending messages on, clients wait for verdicts only, so that the line cannot grow without limit. */
const PENDING_MAX = 400;
const RECENT_IDS = 64;

class Note {}
EntityType('plain', { name: 'note' })(Note);
QueueEntityId()(Note.prototype, 'entityId');

export class Load {
  Note = Note;
  #context;
  #bus;
  #random;
  #calls = 0;
  #pending = 0;
  #recent = [];
  #ended = false;

  constructor(context) {
    this.#context = context;
    const { node, plan, recorder } = context;
    this.#random = seeded(plan.seed);
    const raw = node.queueBus;
    this.#bus = recorder.wrapBus(
      {
        enqueue: (m, options) => raw.enqueue(m.entityType, m.name, m.entityId, m.payload, options),
        enqueueAndWait: (m, options) => raw.enqueueAndWait(m.entityType, m.name, m.entityId, m.payload, options),
      },
      { address: ({ entityType, entityId, kind }) => ({ entityType, entityId, kind }), callOf: (m) => m.payload.call },
    );
    node.events.on('accepted', () => {
      this.#pending += 1;
    });
    node.events.on('ended', () => {
      this.#pending -= 1;
    });
  }

  /** Starts the clients; each ends after `end`, or when the node takes nothing any more. */
  run() {
    return Array.from({ length: this.#context.plan.clients }, () => this.#client());
  }

  end() {
    this.#ended = true;
  }

  /** Commands without any wait in between. `loose`: they may be overtaken by calls made later. */
  async burst(count, loose) {
    await Promise.all(Array.from({ length: count }, () => this.#send(this.#target(), { loose })));
  }

  /** From inside a handler: a message for another entity, sometimes for one that waits for this handler. */
  nest(payload, context, wait) {
    const entityType = this.#chance(0.1) ? context.entityType : 'chain';
    const entityId = this.#chance(0.1) ? context.entityId : `c${this.#below(8)}`;
    const sent = this.#send({ entityType, entityId }, { act: 'ok' }, wait ? { timeoutMs: 200 } : {}, wait);
    return sent.then(() => ({ call: payload.call }));
  }

  async resumeAll() {
    const { node, plan } = this.#context;
    for (const type of Object.keys(plan.config.entities)) {
      await node.queueBus.resume(type, 'e0');
      await node.queueBus.resume(type);
    }
  }

  async #client() {
    while (!this.#ended) {
      const code = await this.#step();
      if (code === 'SHUTTING_DOWN') return;
      // A refusal costs no turn of the event loop; without one the client would starve everyone else.
      if (code !== undefined) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #step() {
    const dice = this.#random();
    const target = this.#target();
    if (this.#pending > PENDING_MAX) return this.#send(target, {}, { timeoutMs: 100 }, true);
    if (dice < 0.4) return this.#send(target, { act: this.#act(target) });
    if (dice < 0.52) return this.#send(target, { act: this.#act(target) }, this.#waiting(), true);
    if (dice < 0.62) return this.#send(target, { kind: 'query' }, this.#waiting(), true);
    if (dice < 0.72) return this.#send(target, { act: this.#act(target) }, this.#timing(), this.#chance(0.3));
    if (dice < 0.78)
      return this.#send({ ...target, entityId: 'e1' }, {}, { messageId: `key ${this.#below(40)}` }, this.#chance(0.3));
    if (dice < 0.84) return this.#bulk();
    if (dice < 0.9) return this.#cancel();
    if (dice < 0.93) return this.#pauseOrResume();
    if (dice < 0.935) return this.#purgeLine();
    if (dice < 0.97) return this.#letters();
    return this.burst(10, false);
  }

  #target() {
    const { plan } = this.#context;
    const types = Object.keys(plan.config.entities);
    const entityType = types[this.#below(types.length)];
    const hot = this.#chance(plan.hotShare);
    return { entityType, entityId: `e${this.#below(hot ? 2 : plan.entities)}` };
  }

  #act(target) {
    const dice = this.#random();
    if (dice < 0.75) return 'ok';
    if (dice < 0.8) return 'slow';
    if (dice < 0.85) return 'fail';
    if (dice < 0.92) return 'fail once';
    if (target.entityType === 'chain') return 'ok';
    return dice < 0.97 ? 'nest' : 'nest and wait';
  }

  #waiting() {
    return { timeoutMs: this.#chance(0.2) ? 5 : 150, cancelOnTimeout: this.#chance(0.5) };
  }

  #timing() {
    const dice = this.#random();
    if (dice < 0.3) return { delayMs: this.#below(60) };
    if (dice < 0.4) return { runAt: Date.now() + this.#below(60) - 20 };
    if (dice < 0.5) return { delayMs: this.#below(40), expiresInMs: this.#below(80) };
    return { expiresInMs: this.#below(15) };
  }

  /** Resolves with the code of the refusal, or with undefined; what nobody expects is reported. */
  async #send(target, { kind = 'command', act = 'ok', loose = false } = {}, options = {}, wait = false) {
    const { effects } = this.#context;
    const body = this.#body(act, loose || options.delayMs !== undefined || options.runAt !== undefined);
    body.withdrawn = options.cancelOnTimeout;
    const message = { ...target, kind, name: kind === 'query' ? 'ask' : 'do', payload: body };
    const { call } = body;
    try {
      if (wait) {
        await this.#bus.enqueueAndWait(message, options);
        effects.append({ a: 'answered', call });
      } else {
        const { id } = await this.#bus.enqueue(message, options);
        effects.append({ a: 'accepted', id, kind, type: target.entityType, entity: target.entityId });
        this.#remember(id);
      }
      return undefined;
    } catch (error) {
      return this.expected(error, `${call} (${target.entityType}/${target.entityId})`);
    }
  }

  async #bulk() {
    const { node, recorder, effects } = this.#context;
    const entityIds = Array.from({ length: 2 + this.#below(8) }, () => this.#target().entityId);
    const notes = entityIds.map((entityId) => Object.assign(new Note(), { entityId, ...this.#body('ok', false) }));
    for (const { call, entityId } of notes)
      recorder.record({ type: 'enqueueCalled', call, wait: false, entityType: 'plain', entityId, kind: 'command' });
    try {
      const receipts = await node.queueBus.enqueueBulk(notes);
      receipts.forEach(({ id }, index) => {
        recorder.record({ type: 'enqueueResolved', call: notes[index].call, id });
        effects.append({ a: 'accepted', id, kind: 'command', type: 'plain', entity: notes[index].entityId });
      });
      return undefined;
    } catch (error) {
      for (const { call } of notes) recorder.record({ type: 'enqueueRejected', call, code: error.code });
      return this.expected(error, 'a bulk');
    }
  }

  async #cancel() {
    const { node, recorder, effects } = this.#context;
    const id = this.#recent[this.#below(this.#recent.length)];
    if (id === undefined) return 'NOTHING';
    recorder.record({ type: 'cancelCalled', id });
    effects.append({ a: 'cancelling', id });
    return this.#try('a cancel', async () => {
      if (await node.queueBus.cancel(id)) effects.append({ a: 'cancelled', id });
    });
  }

  async #pauseOrResume() {
    const { node } = this.#context;
    const { entityType } = this.#target();
    // Paused lines must not pile up: of each type only one entity, and the whole type rarely, is ever paused.
    const entityId = this.#chance(0.9) ? 'e0' : undefined;
    return this.#try('a pause', async () => {
      await scopeOf(node, entityType, entityId).pause();
      await new Promise((resolve) => setTimeout(resolve, this.#below(15)));
      await scopeOf(node, entityType, entityId).resume();
    });
  }

  async #purgeLine() {
    const { node, recorder, effects } = this.#context;
    const { entityType, entityId } = this.#target();
    recorder.record({ type: 'cancelCalled', entityType, entityId });
    effects.append({ a: 'purging', type: entityType, entity: entityId });
    return this.#try('a purge of a line', () => scopeOf(node, entityType, entityId).purge());
  }

  async #letters() {
    const { node, effects } = this.#context;
    return this.#try('a replay or purge', async () => {
      const { letters } = await node.deadLetters.list({ limit: 20 });
      const letter = letters[this.#below(letters.length)];
      if (letter === undefined) return;
      const { id } = letter;
      if (this.#chance(0.7)) {
        effects.append({ a: 'replaying', id, call: JSON.parse(letter.payload).call });
        const replayed = await node.deadLetters.replay(id);
        if (replayed !== undefined) effects.append({ a: 'replayed', id, newId: replayed.id });
      } else {
        effects.append({ a: 'discarding', id });
        if (await node.deadLetters.purge(id)) effects.append({ a: 'discarded', id });
      }
    });
  }

  async #try(what, action) {
    try {
      await action();
      return undefined;
    } catch (error) {
      return this.expected(error, what);
    }
  }

  /** The code of a failure; one that nobody expects is reported. */
  expected(error, what) {
    if (!EXPECTED.has(error?.code)) this.#context.bad(`${what} got ${error?.code ?? error?.stack}: ${error?.message}`);
    return error?.code ?? 'UNEXPECTED';
  }

  #body(act, loose) {
    this.#calls += 1;
    const { plan } = this.#context;
    const order = plan.life * CALLS_PER_LIFE + this.#calls;
    const filler = this.#chance(0.05) ? 'x'.repeat(this.#below(4_000)) : undefined;
    return { call: `call ${order}`, order, act, ms: this.#below(this.#chance(0.05) ? 40 : 4), loose, filler };
  }

  #remember(id) {
    this.#recent[this.#below(RECENT_IDS)] = id;
  }

  #chance(share) {
    return this.#random() < share;
  }

  #below(limit) {
    return Math.floor(this.#random() * limit);
  }
}

/** The same numbers for the same seed (mulberry32). */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The bus of a type alone, or of an entity. */
function scopeOf(node, entityType, entityId) {
  return entityId === undefined ? node.queueBus.forEntity(entityType) : node.queueBus.forEntity(entityType, entityId);
}
