/**
 * A toy of the whole engine in one file: two nodes, four shards, a store, seeded chance. It runs messages the simplest
 * way and writes the history of it; with a `bug` it does one thing wrong wherever it can, and counts how often it did.
 */
import type { HistoryEvent } from '../../../src/testing/history.js';
import type { Bug } from './toy-bugs.js';
import { ToyLine } from './toy-line.js';
import { isMarked, type ToyMessage, type ToyNode, type ToyShard } from './toy-world.js';

export interface ToyRun {
  readonly events: readonly HistoryEvent[];
  /** How often the bug was done where it matters. */
  readonly planted: number;
}

export function runToy(seed: number, options: { readonly bug?: Bug; readonly steps?: number } = {}): ToyRun {
  const engine = new ToyEngine(seed, options.bug);
  engine.run(options.steps ?? 250);
  return { events: engine.events, planted: engine.planted };
}

class ToyEngine extends ToyLine {
  run(steps: number): void {
    for (const node of this.nodes) this.start(node);
    for (let step = 0; step < steps; step += 1) {
      if (this.chance(0.3)) this.now += Math.floor(this.random.next() * 10);
      this.step();
    }
    for (const node of this.nodes) if (!node.alive) this.start(node);
    for (const node of this.nodes) this.tellAll(node);
    if (this.chance(0.7)) this.drain();
    // A query whose handler was through when the run was stopped still gets its answer.
    for (const entity of this.entities) {
      while (entity.line.some((each) => each.kind === 'query' && each.state === 'returned')) this.work(entity);
    }
    this.finish();
  }

  private step(): void {
    const dice = this.random.next();
    const node = this.pick(this.nodes);
    if (!node.alive) {
      if (this.chance(0.2)) this.start(node);
    } else if (dice < 0.3) this.enqueue(node);
    else if (dice < 0.82) this.work(this.pick(this.entities));
    else if (dice < 0.88) this.tellAll(node);
    else if (dice < 0.9) this.cancel(node);
    else if (dice < 0.93) this.letter(node);
    else if (dice < 0.95) this.pause(node);
    else if (dice < 0.96) this.timeOut();
    else if (dice < 0.975) this.move();
    else if (dice < 0.985) this.crash(node);
  }

  private start(node: ToyNode): void {
    node.alive = true;
    node.seq = 0;
    node.life += 1;
    this.log(node, { type: 'nodeStarted' });
    for (const shard of this.shards) if (shard.owner === undefined) this.open(shard, node);
  }

  private open(shard: ToyShard, node: ToyNode): void {
    const again = this.bug === 'epoch reused' && shard.epoch > 0;
    if (again) this.planted += 1;
    else shard.epoch += 1 + Math.floor(this.random.next() * 3);
    shard.owner = node;
    shard.commits = 0;
    shard.starts = 0;
    this.log(node, { type: 'opened', shard: shard.number, epoch: shard.epoch });
    for (const entity of this.entities) {
      if (entity.shard !== shard) continue;
      for (const message of [...entity.line]) if (isMarked(message)) this.interrupt(message, node);
    }
  }

  private interrupt(message: ToyMessage, node: ToyNode): void {
    const { entity, id } = message;
    if (
      this.bug === 'interrupted command starts again' &&
      entity.entityType === 'plain' &&
      message.state !== 'marked'
    ) {
      message.state = 'waiting';
    } else if (entity.entityType === 'resilient' && message.interruptions < 3) {
      if (message.state !== 'marked') message.interruptions += 1;
      message.state = 'waiting';
      message.notBefore = this.now + 3;
      this.log(node, { type: 'retried', id, reason: 'interrupted', notBefore: message.notBefore });
    } else this.end(message, 'interrupted', node);
  }

  private cancel(node: ToyNode): void {
    const entity = this.pick(this.entities);
    const { owner } = entity.shard;
    const message = [...entity.line, ...entity.delayed].find(
      (each) => each.kind === 'command' && each.state === 'waiting' && each.attempt === 0,
    );
    if (message === undefined || owner === undefined) return;
    this.log(node, { type: 'cancelCalled', id: message.id });
    this.end(message, 'cancelled', owner, 'CANCELLED');
  }

  private letter(node: ToyNode): void {
    const found = this.pick([...this.letters.values()]);
    const owner = found?.message.entity.shard.owner;
    if (found === undefined || owner === undefined) return;
    const { message } = found;
    if (this.chance(0.3)) {
      this.log(node, { type: 'purgeCalled', id: message.id });
      this.log(owner, { type: 'purged', id: message.id });
      this.letters.delete(message.id);
      return;
    }
    this.log(node, { type: 'replayCalled', id: message.id });
    if (this.bug === 'replay keeps the letter') this.planted += 1;
    else this.letters.delete(message.id);
    this.ids += 1;
    const again: ToyMessage = {
      ...message,
      id: `m${this.ids}`,
      expiresAt: 0,
      notBefore: 0,
      acceptedAt: this.crashes,
      state: 'waiting',
      attempt: 0,
      interruptions: 0,
      waits: [],
    };
    delete again.ended;
    this.counts.accepted += 1;
    message.entity.line.push(again);
    if (message.messageId !== undefined) message.entity.ids.set(message.messageId, again);
    this.log(owner, { type: 'replayed', id: message.id, newId: again.id });
  }

  private pause(node: ToyNode): void {
    const entity = this.pick(this.entities);
    entity.paused = !entity.paused && this.chance(0.3);
    this.log(node, {
      type: entity.paused ? 'paused' : 'resumed',
      entityType: entity.entityType,
      entityId: entity.entityId,
    });
  }

  private timeOut(): void {
    const open = this.pick([...this.openWaits.values()]);
    if (open === undefined || !open.wait.node.alive) return;
    this.openWaits.delete(open.wait.call);
    this.log(open.wait.node, {
      type: 'enqueueRejected',
      call: open.wait.call,
      code: 'REPLY_TIMEOUT',
      id: open.message.id,
    });
  }

  /** A shard changes hands in order: nothing of it is at work. */
  private move(): void {
    const shard = this.pick(this.shards);
    const { owner } = shard;
    const other = this.nodes.find((node) => node !== owner && node.alive);
    const lines = this.entities.filter((entity) => entity.shard === shard).flatMap((entity) => entity.line);
    if (owner === undefined || other === undefined || lines.some((each) => isMarked(each) || each.kind === 'query'))
      return;
    const before = shard.epoch;
    this.open(shard, other);
    if (this.bug === 'stale epoch accepted') {
      this.planted += 1;
      this.commit(shard, owner, before);
    }
    const next = lines.find((each) => each.state === 'waiting' && each.attempt === 0 && each.kind === 'command');
    if (this.bug === 'former owner starts a handler' && next !== undefined) {
      this.planted += 1;
      const { entityType, entityId } = next.entity;
      this.log(owner, {
        type: 'started',
        id: next.id,
        entityType,
        entityId,
        kind: 'command',
        attempt: 1,
        shard: shard.number,
        epoch: before,
      });
    }
  }

  private crash(node: ToyNode): void {
    this.crashes += 1;
    for (const entity of this.entities) {
      if (entity.shard.owner !== node) continue;
      const [head] = entity.line;
      // The last commit may be durable although nobody lived to tell.
      if (head?.state === 'returned' && head.kind === 'command' && this.chance(0.5)) this.leaveStore(head, 'completed');
      else if (head?.state === 'threw' && entity.entityType === 'plain' && this.chance(0.5))
        this.leaveStore(head, 'failed');
      entity.line = entity.line.filter((each) => each.kind === 'command');
      const lost = entity.line.find((each) => each.state === 'waiting' && each.attempt === 0);
      if (this.bug === 'accept lost in a crash' && lost !== undefined) {
        this.planted += 1;
        this.forget(lost);
      }
    }
    node.alive = false;
    node.later = [];
    this.log(node, { type: 'crashed' });
    for (const shard of this.shards) if (shard.owner === node) shard.owner = undefined;
    for (const { wait, message } of [...this.openWaits.values()]) {
      if (wait.node === node) this.openWaits.delete(wait.call);
      // Whoever asks a dead owner gets no verdict any more; their wait times out.
      else if (message.state === 'gone' || message.kind === 'query') {
        this.openWaits.delete(wait.call);
        if (message.kind === 'query') this.log(wait.node, { type: 'answered', call: wait.call, state: 'interrupted' });
        else this.log(wait.node, { type: 'enqueueRejected', call: wait.call, code: 'REPLY_TIMEOUT', id: message.id });
      }
    }
    const other = this.nodes.find((each) => each.alive);
    if (other !== undefined && this.chance(0.5))
      for (const shard of this.shards) if (shard.owner === undefined) this.open(shard, other);
  }

  /** Works until only what waits for time or people is left, moves time on, and so forth to the end. */
  private drain(): void {
    const node = this.nodes[0] as ToyNode;
    for (const entity of this.entities) {
      if (entity.paused) this.log(node, { type: 'resumed', entityType: entity.entityType, entityId: entity.entityId });
      entity.paused = false;
    }
    for (let round = 0; round < 8; round += 1) {
      for (const entity of this.entities) for (let moves = 0; moves < 2_000 && this.work(entity); moves += 1);
      if (this.bug === 'delayed message blocks others') {
        this.planted += this.entities.filter(
          (each) => each.delayed.length > 0 && each.line[0]?.state === 'waiting' && each.line[0].attempt === 0,
        ).length;
      }
      this.log(node, { type: 'quiescent' });
      this.now += 20;
    }
  }
}
