/** How the toy engine takes a message in, runs it the simplest way, and ends it; with every bug that has to do with that. */
import type { FinalState } from '../../../src/wal/transition.js';
import { type ToyEntity, type ToyMessage, type ToyNode, type ToyWait, ToyWorld } from './toy-world.js';

export abstract class ToyLine extends ToyWorld {
  protected enqueue(node: ToyNode): void {
    const entity = this.pick(this.entities);
    const { entityType, entityId } = entity;
    const kind = this.chance(0.2) ? ('query' as const) : ('command' as const);
    const wait = kind === 'query' || this.chance(0.4);
    const key = kind === 'command' && this.chance(0.15) ? `key${Math.floor(this.random.next() * 3)}` : undefined;
    const delayMs = kind === 'command' && !wait && key === undefined && this.chance(0.15) ? 30 : 0;
    const expiresAt = kind === 'command' && delayMs === 0 && this.chance(0.1) ? this.now + 15 : 0;
    this.ids += 1;
    const call = `c${this.ids}`;
    this.log(node, {
      type: 'enqueueCalled',
      call,
      entityType,
      entityId,
      kind,
      wait,
      ...(key === undefined ? {} : { messageId: key }),
      ...(delayMs === 0 ? {} : { delayed: true }),
    });
    const { owner } = entity.shard;
    if (owner === undefined || this.chance(0.05)) {
      const code = owner === undefined ? 'NOT_OWNER' : 'QUEUE_DEPTH_EXCEEDED';
      const unnamed = this.bug === 'refused without a name';
      const kept = this.bug === 'refused and kept' && owner !== undefined && kind === 'command' && key === undefined;
      if (unnamed || kept) this.planted += 1;
      this.log(node, { type: 'enqueueRejected', call, code: unnamed ? 'ECONNRESET' : code });
      if (!kept) return;
    }
    const first = key === undefined ? undefined : entity.ids.get(key);
    const twice = first !== undefined && this.bug === 'messageId runs twice';
    if (twice) this.planted += 1;
    if (first !== undefined && !twice) {
      if (wait) this.wait(first, { call, node, life: node.life });
      else node.later.push({ type: 'enqueueResolved', call, id: first.id });
      return;
    }
    const message: ToyMessage = {
      id: `m${this.ids}`,
      entity,
      kind,
      messageId: key,
      expiresAt,
      acceptedAt: this.crashes,
      notBefore: delayMs === 0 ? 0 : this.now + delayMs,
      state: 'waiting',
      attempt: 0,
      interruptions: 0,
      waits: [],
    };
    if (key !== undefined) entity.ids.set(key, message);
    if (kind === 'command') this.counts.accepted += 1;
    (delayMs === 0 ? entity.line : entity.delayed).push(message);
    this.log(owner ?? node, {
      type: 'accepted',
      id: message.id,
      entityType,
      entityId,
      kind,
      call: this.bug === 'refused and kept' || this.bug === 'waiter forgotten' || this.chance(0.7) ? call : undefined,
      messageId: key,
      ...(delayMs === 0 ? {} : { notBefore: message.notBefore }),
      ...(expiresAt === 0 ? {} : { expiresAt }),
    });
    if (wait) this.wait(message, { call, node, life: node.life });
    else if (this.chance(0.5)) this.log(node, { type: 'enqueueResolved', call, id: message.id });
    else node.later.push({ type: 'enqueueResolved', call, id: message.id });
    if (this.bug === 'accepted work dropped' && entity.line.length > 2 && kind === 'command') {
      const victim = entity.line.find(
        (each) => each.state === 'waiting' && each.attempt === 0 && each.kind === 'command',
      );
      if (victim !== undefined && owner !== undefined) {
        this.planted += 1;
        this.end(victim, 'failed', owner, 'QUEUE_DEPTH_EXCEEDED');
      }
    }
  }

  protected wait(message: ToyMessage, wait: ToyWait): void {
    if (message.ended !== undefined) this.answer(message, wait, message.ended);
    else {
      message.waits.push(wait);
      this.openWaits.set(wait.call, { wait, message });
    }
  }

  protected answer(message: ToyMessage, { call, node, life }: ToyWait, state: FinalState): void {
    this.openWaits.delete(call);
    if (!node.alive || node.life !== life) return;
    if (this.bug === 'waiter forgotten') {
      // Whether a duplicate's wait was for this message, only its answer would tell.
      if (call.slice(1) === message.id.slice(1)) this.forgotten.push({ call, node, life });
      return;
    }
    const other = this.bug === 'waiter hears another verdict' && message.kind === 'command';
    if (other) this.planted += 1;
    const told = other ? (state === 'completed' ? 'failed' : 'completed') : state;
    this.log(node, { type: 'answered', call, id: message.id, state: told, reply: `${message.id}` });
  }

  /** One move of the entity's line. */
  protected work(entity: ToyEntity): boolean {
    const { owner } = entity.shard;
    if (owner === undefined) return false;
    const early = this.bug === 'delayed message runs early';
    const due = entity.delayed.find((each) => each.notBefore <= this.now || early);
    if (due !== undefined) {
      entity.delayed = entity.delayed.filter((each) => each !== due);
      entity.line.push(due);
      this.log(owner, { type: 'promoted', id: due.id });
      return true;
    }
    if (this.bug === 'delayed message blocks others' && entity.delayed.length > 0) return false;
    const busy = entity.line.find((each) => each.state === 'running');
    if (busy !== undefined) {
      if (this.bug === 'two handlers at once' && this.startable(entity)) {
        this.planted += 1;
        this.startHandler(this.startable(entity) as ToyMessage, owner);
        return true;
      }
      busy.state = this.chance(0.75) || busy.kind === 'query' ? 'returned' : 'threw';
      this.log(owner, { type: 'handlerEnded', id: busy.id, attempt: busy.attempt, ok: busy.state === 'returned' });
      return true;
    }
    const head = this.head(entity);
    if (head === undefined) return false;
    if (head.state === 'returned') this.end(head, 'completed', owner);
    else if (head.state === 'threw') this.failed(head, owner);
    else if (head.state === 'blocked') return this.unblock(head, owner);
    else return this.startHead(head, owner);
    return true;
  }

  protected head(entity: ToyEntity): ToyMessage | undefined {
    const through = entity.line.find((each) => each.state === 'returned' || each.state === 'threw');
    if (through !== undefined) return through;
    const [head] = entity.line;
    if (head === undefined || this.bug === undefined) return head;
    const second = entity.line.find((each, index) => index > 0 && each.state === 'waiting' && this.isDue(each));
    if (second === undefined || entity.paused || !this.surelyBefore(head, second)) return head;
    const jumps =
      (this.bug === 'line reordered' &&
        head.state === 'waiting' &&
        head.attempt === 0 &&
        this.isDue(head) &&
        head.kind === 'command') ||
      (this.bug === 'query jumps the line' && second.kind === 'query' && head.state === 'waiting') ||
      (this.bug === 'blocked message overtaken' && head.state === 'blocked') ||
      (this.bug === 'back-off overtaken' && head.state === 'waiting' && head.attempt > 0 && !this.isDue(head));
    if (!jumps) return head;
    this.planted += 1;
    return second;
  }

  protected startable(entity: ToyEntity): ToyMessage | undefined {
    return entity.line.find(
      (each) => each.state === 'waiting' && this.isDue(each) && each.attempt === 0 && each.expiresAt === 0,
    );
  }

  protected startHead(head: ToyMessage, owner: ToyNode): boolean {
    if (head.entity.paused) return false;
    if (!this.isDue(head)) {
      if (this.bug !== 'back-off cut short' || head.attempt === 0) return false;
      this.planted += 1;
    }
    const past = head.expiresAt > 0 && head.expiresAt < this.now && head.attempt === 0;
    if (past && head.state === 'waiting') {
      if (this.bug !== 'expired message starts') {
        this.end(head, 'expired', owner);
        return true;
      }
      this.planted += 1;
    }
    this.startHandler(head, owner);
    return true;
  }

  protected startHandler(head: ToyMessage, owner: ToyNode): void {
    const { entity } = head;
    const late =
      this.bug === 'dispatch recorded after the start' && head.kind === 'command' && head.state === 'waiting';
    if (head.state === 'waiting') {
      if (head.attempt === 0 && head.notBefore > this.now) this.planted += 1;
      head.attempt += 1;
      if (head.attempt === 2 && this.bug === 'interrupted command starts again' && entity.entityType === 'plain')
        this.planted += 1;
      if (head.kind === 'command' && !late) this.dispatch(head, owner);
      // A hot entity marks what waits behind the head as well, in the same commit.
      if (entity.entityType === 'hot' && head.kind === 'command' && entity.line[0] === head && this.bug === undefined)
        this.dispatchAhead(entity, owner);
    }
    head.state = 'running';
    const { shard } = entity;
    shard.starts += 1;
    const shared = this.bug === 'fencing token used twice' && shard.starts > 2;
    if (shared) this.planted += 1;
    const token = `${String(shard.epoch).padStart(6, '0')}-${String(shared ? 1 : shard.starts).padStart(6, '0')}`;
    this.log(owner, {
      type: 'started',
      id: head.id,
      entityType: entity.entityType,
      entityId: entity.entityId,
      kind: head.kind,
      attempt: head.attempt,
      shard: shard.number,
      epoch: shard.epoch,
      fencingToken: token,
    });
    if (late) {
      this.planted += 1;
      this.dispatch(head, owner);
    }
  }

  protected dispatchAhead(entity: ToyEntity, owner: ToyNode): void {
    for (const next of entity.line.slice(1, 3)) {
      if (
        next.kind === 'query' ||
        next.state !== 'waiting' ||
        !this.isDue(next) ||
        (next.expiresAt > 0 && next.expiresAt < this.now)
      )
        break;
      next.attempt += 1;
      next.state = 'marked';
      this.dispatch(next, owner);
    }
  }

  protected dispatch({ id, attempt, entity }: ToyMessage, owner: ToyNode): void {
    this.commit(entity.shard, owner);
    this.log(owner, { type: 'dispatched', id, attempt, shard: entity.shard.number, epoch: entity.shard.epoch });
  }

  protected failed(message: ToyMessage, owner: ToyNode): void {
    const { entity, id } = message;
    const attempts = entity.entityType === 'retrying' ? 3 : entity.entityType === 'resilient' ? 2 : 1;
    const more = this.bug === 'more attempts than allowed' && entity.entityType === 'retrying';
    if (more && message.attempt === attempts) this.planted += 1;
    if (message.attempt - message.interruptions < attempts || (more && message.attempt < 5)) {
      message.state = 'waiting';
      message.notBefore = this.now + 5;
      this.log(owner, { type: 'retried', id, reason: 'failed', notBefore: message.notBefore });
      if (
        this.bug === 'retry at the back of the line' &&
        entity.line.some((each) => each !== message && each.state === 'waiting')
      ) {
        entity.line = [...entity.line.filter((each) => each !== message), message];
        if (entity.line.some((each) => each !== message && this.surelyBefore(message, each) && each.expiresAt === 0))
          message.notBefore = this.now;
      }
    } else if (entity.entityType === 'blocking') {
      message.state = 'blocked';
      this.log(owner, { type: 'blocked', id });
    } else this.end(message, 'failed', owner, 'HANDLER_FAILED');
  }

  protected unblock(head: ToyMessage, owner: ToyNode): boolean {
    if (this.chance(0.3)) {
      head.state = 'waiting';
      head.notBefore = 0;
      this.log(owner, { type: 'unblocked', id: head.id });
      return true;
    }
    if (!this.chance(0.3)) return false;
    this.end(head, 'failed', owner, 'HANDLER_FAILED');
    return true;
  }

  protected end(message: ToyMessage, state: FinalState, owner: ToyNode, code?: string): void {
    const { entity, id } = message;
    const waits = message.waits.filter((wait) => this.openWaits.has(wait.call));
    if (
      this.bug === 'verdict before it is durable' &&
      message.kind === 'command' &&
      waits.some(({ node, life }) => node.alive && node.life === life)
    ) {
      this.planted += 1;
      for (const wait of waits) this.answer(message, wait, state);
    }
    this.leaveStore(message, state);
    if (message.kind === 'command') {
      this.commit(entity.shard, owner);
      this.log(owner, { type: 'ended', id, state, reply: state === 'completed' ? id : undefined, code });
      if (this.bug === 'second verdict') {
        this.planted += 1;
        this.log(owner, { type: 'ended', id, state: 'interrupted' });
      }
    }
    for (const wait of waits) if (this.openWaits.has(wait.call)) this.answer(message, wait, state);
    message.waits = [];
  }
}
