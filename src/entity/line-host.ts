/**
 * What the owner of a shard does for its workers: it takes their transitions to the group commit, their items to the
 * executor, and tells everyone concerned what became of an item. It holds nothing itself.
 */
import type { EntityKey } from '../message/entity-key.js';
import type { ErrorDescription } from '../message/envelope.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { Completion, FinalState, Outcome, Sent, Transition } from '../wal/transition.js';
import type { MessageHead } from '../wal/wal.js';
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';
import type { SlotTaker } from './running-slots.js';
import type { ShardOwner } from './shard-owner.js';
import type { WorkerHost } from './worker-host.js';

export class LineHost implements WorkerHost {
  constructor(private readonly owner: ShardOwner) {}

  get startsMessages(): boolean {
    return this.owner.startsMessages;
  }

  get slotsContended(): boolean {
    return this.owner.slots.contended;
  }

  now(): number {
    return this.owner.now();
  }

  commit(transition: Transition, item: Item): void {
    this.owner.commits.add(transition, item);
  }

  takeSlot(taker: SlotTaker): boolean {
    return this.owner.slots.take(taker);
  }

  giveSlotBack(): void {
    this.owner.slots.giveBack();
  }

  setDeadline(target: Deadline, delayMs: number): number {
    return this.owner.deadlines.set(target, delayMs);
  }

  clearDeadline(target: Deadline, key: number): void {
    this.owner.deadlines.clear(target, key);
  }

  unusualHead(seq: number): MessageHead | undefined {
    if (this.owner.unusual.size === 0) return undefined;
    const head = this.owner.unusual.get(seq);
    this.owner.unusual.delete(seq);
    return head;
  }

  startOf(item: Item): 'none' | 'marked' | 'unmarked' {
    const { handlers } = this.owner.options;
    const { entityType } = item.worker;
    // Which message it is, is in the store; where every one may start without being marked, so may this one.
    if (item.name === '') return handlers.isStateOnly(entityType) ? 'unmarked' : 'marked';
    const handler = handlers.find(entityType, item.name);
    if (handler === undefined) return 'none';
    return handler.actor?.effects === 'state' ? 'unmarked' : 'marked';
  }

  mayRunUnmarked(item: Item): boolean {
    return this.owner.unmarkedRuns.begin(item);
  }

  unmarkedOver(item: Item): void {
    this.owner.unmarkedRuns.over(item);
  }

  mustWait(worker: EntityWorker): boolean {
    const { handlers } = this.owner.options;
    return handlers.hasActor(worker.entityType) && !this.isAwake(worker);
  }

  isAwake(worker: EntityWorker): boolean {
    return this.owner.actors.has(worker.key);
  }

  start(item: Item): void {
    this.owner.executor.run(item);
  }

  watchExpiry(item: Item): void {
    this.owner.accounts.watchExpiry(item);
  }

  get lostWith(): Error | undefined {
    return this.owner.lostWith;
  }

  accepted(item: Item): void {
    if (!item.isVolatile) this.owner.ids.appendAnswered();
    this.owner.announce.accepted(item);
    const accept = item.accepted;
    item.accepted = undefined;
    item.refuse = undefined;
    accept?.({ id: item.id });
    if (item.stage !== 'finishing') this.leaveIfLost(item);
    if (item.expiresAt > 0 && item.stage === 'waiting') this.watchExpiry(item);
    this.owner.accounts.spare(item);
  }

  /** The shard was lost while the append was on its way: whoever owns it now makes the verdict. */
  private leaveIfLost(item: Item): void {
    const { cluster } = this.owner.options;
    if (cluster === undefined || this.owner.lostWith === undefined || item.waiter === undefined) return;
    const { waiter } = item;
    item.waiter = undefined;
    cluster.waitElsewhere(item.id, item.errorSubject(), waiter);
  }

  duplicate(item: Item, outcome: Extract<Outcome, { type: 'duplicate' }>): void {
    this.owner.ids.appendAnswered();
    this.owner.accounts.remove(item);
    item.accepted?.({ id: outcome.id });
    const { waiter } = item;
    if (waiter === undefined) return;
    item.waiter = undefined;
    item.id = outcome.id;
    const { cluster } = this.owner.options;
    if (outcome.verdict === undefined && cluster !== undefined && this.owner.lostWith !== undefined)
      cluster.waitElsewhere(item.id, item.errorSubject(), waiter);
    else if (outcome.verdict === undefined) this.owner.verdicts.waitFor(outcome.id, waiter);
    else this.owner.verdicts.answer(waiter, item.errorSubject(), outcome.verdict);
  }

  delayed(item: Item, notBefore: number): void {
    this.owner.accounts.remove(item);
    this.owner.delayedMessages.add(item, notBefore);
  }

  refusedByStore(item: Item, error: Error): void {
    const isAccepted = item.enqueuedAt !== 0;
    if (!isAccepted) this.owner.ids.appendAnswered();
    this.owner.accounts.remove(item);
    const { cluster } = this.owner.options;
    // Whoever owns the shard now makes the verdict.
    if (cluster !== undefined && isAccepted && item.waiter !== undefined && !item.isVolatile) {
      const { waiter } = item;
      item.waiter = undefined;
      cluster.waitElsewhere(item.id, item.errorSubject(), waiter);
    }
    const refusal = isAccepted ? this.owner.verdictUnknown(error, item) : this.owner.notAccepted(error, item);
    item.refuse?.(refusal);
    item.waiter?.fail(refusal);
    item.waiter = undefined;
  }

  givenUp(item: Item): void {
    this.owner.actors.discard(item);
  }

  runCommitted(item: Item, completion: Completion | undefined, now: number): void {
    this.owner.unmarkedRuns.over(item);
    this.owner.actors.committed(item, completion, now);
  }

  runsUnplaced(item: Item): void {
    this.owner.unmarkedRuns.beginUnplaced(item);
  }

  runsAtPlace(item: Item): void {
    this.owner.unmarkedRuns.placed(item);
  }

  withdrawDispatch(item: Item): boolean {
    return this.owner.commits.withdrawDispatch(item);
  }

  forgetActor(key: EntityKey): void {
    this.owner.actors.forget(key);
  }

  blocked(item: Item, error: ErrorDescription): void {
    item.active = undefined;
    this.owner.announce.blocked(item, error);
  }

  sent(sent: readonly Sent[]): void {
    this.owner.outbox.sent(sent);
  }

  retried(item: Item, error: ErrorDescription | undefined, notBefore: number): void {
    item.active = undefined;
    if (error !== undefined) this.owner.announce.retried(item, notBefore, error);
  }

  placeRemoved(worker: EntityWorker): void {
    this.owner.accounts.removePlace(worker);
  }

  ended(item: Item, state: FinalState): void {
    this.owner.accounts.remove(item);
    this.owner.endings.ofItem(item, state);
    if (item.early !== 'dropped') item.active = undefined;
  }

  becameIdle(worker: EntityWorker): void {
    this.owner.directory.becameIdle(worker);
    if (this.owner.directory.backlogEntities > 0) this.owner.feedBacklog();
    this.owner.share.madeRoom();
    this.owner.drained();
  }
}
