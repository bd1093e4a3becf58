/**
 * The callers of a simulated life, and the handlers that they reach: who calls what on which node, with which options.
 *
 * Owns: the names of the calls, those that have no answer yet, and the count of the handlers at work.
 */
import type { AtomicQueuesNode } from '../../bus/node.js';
import type { MessageContext } from '../../entity/message-context.js';
import type { WaitOptions } from '../../entity/submission.js';
import { entityKey } from '../../message/entity-key.js';
import { sliceOf } from '../../message/shard-of.js';
import type { SimulatedNode } from './simulated-cluster.js';
import { ACTOR_TYPES, actorHandlers } from './simulation-actors.js';
import {
  ENTITY_IDS,
  type Group,
  type Job,
  jobBus,
  MAIN_TYPES,
  OTHER_TYPES,
  performJob,
  recordNode,
  SLICES,
} from './simulation-jobs.js';
import type { Member, SimulationLife } from './simulation-life.js';
import { OutgoingLedger } from './simulation-outbox.js';

export class SimulatedCallers {
  /** Calls without an answer. */
  readonly open = new Map<string, Member>();
  /** Handlers at work, those of former owners included. */
  readonly working = new Map<SimulatedNode, number>();
  /** What handlers send with their completions. */
  readonly outgoing = new OutgoingLedger();
  private readonly known: string[] = [];
  private calls = 0;

  constructor(private readonly life: SimulationLife) {}

  enqueueSome(): void {
    const member = this.life.caller();
    if (member === undefined) return;
    if (this.life.chance(0.1)) {
      this.bulk(member);
      return;
    }
    for (let count = this.life.pick([1, 1, 2, 4]); count > 0; count -= 1) this.sendNew(member);
  }

  private sendNew(member: Member): void {
    const job = this.job(member, 2);
    const { timeoutMs, cancelOnTimeout, ...rest } = this.waitOptions();
    // A query that is in no store takes its place at once and is nobody's duplicate.
    const isVolatile = job.kind === 'query' && job.type !== 'kept';
    this.send(member, job, this.life.chance(0.4), { timeoutMs, cancelOnTimeout, ...(isVolatile ? {} : rest) });
  }

  private send(member: Member, job: Job, wait: boolean, options: WaitOptions): void {
    this.open.set(job.call, member);
    const over = (): void => void this.open.delete(job.call);
    if (wait || job.kind === 'query') void member.bus.enqueueAndWait(job, options).then(over, over);
    else
      void member.bus.enqueue(job, options).then(({ id }) => {
        this.known.push(id);
        over();
      }, over);
  }

  private bulk(member: Member): void {
    const jobs = Array.from({ length: 3 }, () => ({ ...this.job(member, 0), kind: 'command' as const }));
    const { queueBus } = member.node;
    for (const { call, type, id } of jobs) {
      this.open.set(call, member);
      member.recorder.record({
        type: 'enqueueCalled',
        call,
        wait: false,
        entityType: type,
        entityId: id,
        kind: 'command',
      });
    }
    const over = (tell: (job: Job, index: number) => void): void => {
      jobs.forEach((job, index) => {
        this.open.delete(job.call);
        tell(job, index);
      });
    };
    queueBus
      .submitBulk(() => jobs.map((job) => queueBus.raw(job.type, 'Work', job.id, job)))
      .then(
        (receipts) =>
          over(({ call }, index) =>
            member.recorder.record({ type: 'enqueueResolved', call, id: receipts[index]?.id ?? '' }),
          ),
        // A bulk over several shards is whole in each of them only, so a refusal tells nothing of a single message.
        () => over(({ call }) => member.recorder.record({ type: 'enqueueRejected', call, code: 'INDETERMINATE' })),
      );
  }

  private job({ options, group }: Member, depth: number): Job {
    this.calls += 1;
    const call = `c${this.calls}`;
    const isOther = this.life.cluster.state.groups.includes('second') && this.life.chance(0.15);
    const knowsKinds = options.handles !== false && (group === 'second') === isOther;
    const member = { options, group } as Member;
    const type = isOther ? this.life.pick(OTHER_TYPES) : this.life.pick(MAIN_TYPES);
    const sends =
      type === 'sending' && depth > 0
        ? Array.from({ length: this.life.pick([1, 2, 3]) }, () => ({
            ...this.job(member, depth - 1),
            kind: 'command' as const,
          }))
        : undefined;
    return {
      call,
      type,
      sends,
      id: this.life.pick(ENTITY_IDS),
      kind: knowsKinds && this.life.chance(0.15) ? 'query' : 'command',
      ms: this.life.pick([0, 0, 0, 5, 40, 40, this.life.chance(0.1) ? 2_600 : 200]),
      failures: this.life.pick([0, 0, 0, 0, 1, 2, 9]),
      inner:
        depth > 0 && this.life.chance(0.12)
          ? { job: { ...this.job(member, depth - 1), kind: 'command' }, wait: this.life.chance(0.6), timeoutMs: 700 }
          : undefined,
    };
  }

  private waitOptions(): WaitOptions {
    return {
      ...(this.life.chance(this.life.options.focus === 'keys' ? 0.7 : 0.12)
        ? { messageId: this.life.pick(['k1', 'k2', 'k3']) }
        : {}),
      ...(this.life.chance(0.1) ? { delayMs: Math.floor(this.life.random.next() * 400) } : {}),
      ...(this.life.chance(0.1) ? { expiresInMs: Math.floor(this.life.random.next() * 400) } : {}),
      ...(this.life.chance(0.3)
        ? { timeoutMs: this.life.pick([20, 300, 0]), cancelOnTimeout: this.life.chance(0.5) }
        : {}),
    };
  }

  withdraw(): void {
    const member = this.life.caller();
    if (member === undefined) return;
    if (this.life.chance(0.2)) {
      const [entityType, entityId] = [this.life.pick(MAIN_TYPES), this.life.pick([undefined, ...ENTITY_IDS])];
      member.recorder.record({ type: 'cancelCalled', entityType, entityId });
      const scope: [string, string?] = entityId === undefined ? [entityType] : [entityType, entityId];
      void member.node.queueBus.purge(...scope).catch(() => {});
      return;
    }
    const id = this.life.pick(this.known.slice(-8));
    if (id === undefined) return;
    const { queueBus } = member.node;
    void member.recorder.recordOperation({ action: 'cancel', id }, () => queueBus.cancel(id)).catch(() => {});
  }

  pauseOrResume(): void {
    const member = this.life.caller();
    const [entityType, entityId] = [this.life.pick(MAIN_TYPES), this.life.pick(ENTITY_IDS)];
    if (member === undefined) return;
    const { queueBus } = member.node;
    const action = this.life.chance(0.4) ? 'pause' : 'resume';
    void member.recorder
      .recordOperation({ action, entityType, entityId }, () => queueBus[action](entityType, entityId))
      .catch(() => {});
  }

  letters(): void {
    const member = this.life.caller();
    if (member === undefined) return;
    const { deadLetters } = member.node;
    const reason = this.life.pick(['failed', 'interrupted', 'expired'] as const);
    void (this.life.chance(0.6) ? deadLetters.replay({ reason }) : deadLetters.purge({ reason })).catch(() => {});
  }

  /** Somebody looks after a line that is blocked. */
  lookAfterBlocked(): void {
    const member = this.life.caller();
    if (member === undefined) return;
    const { queueBus } = member.node;
    const [settle, action] = this.life.chance(0.6)
      ? (['retryBlocked', 'unblock'] as const)
      : (['skipBlocked', 'skip'] as const);
    const decide = (id: string) => member.recorder.recordOperation({ action, id }, () => queueBus[settle](id));
    void queueBus
      .blocked({ limit: 3 })
      .then(({ messages }) => Promise.all(messages.map(({ id }) => decide(id))))
      .catch(() => {});
  }

  /** Registers the handlers of a node. */
  handle(node: AtomicQueuesNode, member: SimulatedNode): void {
    const { cluster } = this.life;
    const group: Group = member.options.group === 'second' ? 'second' : 'main';
    recordNode(member, {
      durableFacts: false,
      ownership: ({ entityType, entityId, fencingToken }) => {
        const shard = cluster.state.groups.indexOf(group) * SLICES + sliceOf(entityKey(entityType, entityId), SLICES);
        const epoch = Number(fencingToken.split('-')[0]);
        return { shard, epoch, leaseLeftMs: cluster.leases.leftAsKnown(shard, epoch) };
      },
    });
    const bus = jobBus(member);
    const freshCall = (): string => {
      this.calls += 1;
      return `c${this.calls}`;
    };
    for (const type of group === 'second' ? OTHER_TYPES : MAIN_TYPES) {
      const work = async (job: unknown, context: MessageContext): Promise<string> => {
        this.working.set(member, (this.working.get(member) ?? 0) + 1);
        try {
          return await performJob(job as Job, context, member, bus, freshCall, this.outgoing);
        } finally {
          this.working.set(member, (this.working.get(member) ?? 0) - 1);
        }
      };
      if (ACTOR_TYPES[type] !== undefined) {
        const { command, query } = actorHandlers(type, work);
        node.addHandler(type, 'Work', command).addHandler(type, 'Ask', query);
        continue;
      }
      node.handle(type, 'Work', work);
      node.handle(type, 'Ask', work, { kind: 'query' });
    }
  }
}
