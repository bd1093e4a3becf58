/**
 * What the callers of a simulated run ask for and what handlers do: messages of several entity types, each with other rules,
 * that take time, fail, and send messages to other entities. Each job carries the name of the call that sent it, so that
 * the history knows which message came of which call.
 */
import type { MessageContext } from '../../entity/message-context.js';
import type { WaitOptions } from '../../entity/submission.js';
import type { MessageKind } from '../../message/envelope.js';
import type { AtomicQueuesConfig } from '../../runtime/config.js';
import type { HistoryRecorder, RecordableBus } from '../history-recorder.js';
import type { HistoryOptions } from '../history-tracks.js';
import type { SimulatedNode } from './simulated-cluster.js';
import { ACTOR_TYPES } from './simulation-actors.js';
import type { OutgoingLedger } from './simulation-outbox.js';

/** Shards of each service group. */
export const SLICES = 4;
export const GROUPS = ['main', 'second'] as const;
export type Group = (typeof GROUPS)[number];
/** Types of the first service group. */
export const MAIN_TYPES = [
  'plain',
  'retrying',
  'resilient',
  'hot',
  'kept',
  'sending',
  'ledger',
  'tally',
  'careful',
] as const;
/** Types of the second one. */
export const OTHER_TYPES = ['other'] as const;
export const ENTITY_IDS = ['a', 'b', 'c', 'd'] as const;

export const SIMULATION_RULES: HistoryOptions = {
  entityTypes: {
    retrying: { maxAttempts: 3 },
    resilient: { maxAttempts: 2, onInterrupt: 'retry', interruptionsMax: 2 },
    hot: { maxAttempts: 2, dispatchAhead: 4 },
    kept: { queries: 'durable' },
    sending: { maxAttempts: 2 },
    ledger: { maxAttempts: 2 },
    tally: { maxAttempts: 2, stateOnly: true },
    careful: { maxAttempts: 2 },
  },
};

export const SIMULATION_CONFIG: AtomicQueuesConfig = {
  replyTimeout: 4_000,
  shutdownTimeout: 1_000,
  entities: {
    retrying: { retry: { maxAttempts: 3, backoffDelay: 60, backoff: 'fixed' } },
    resilient: { onInterrupt: 'retry', maxInterruptions: 2, retry: { maxAttempts: 2, backoffDelay: 30 } },
    hot: { dispatchAhead: 4, retry: { maxAttempts: 2, backoffDelay: 15 } },
    kept: { queries: 'durable' },
    ledger: { retry: { maxAttempts: 2, backoffDelay: 30, backoff: 'fixed' } },
    tally: { retry: { maxAttempts: 2, backoffDelay: 30, backoff: 'fixed' } },
    careful: { onFailure: 'block', retry: { maxAttempts: 2, backoffDelay: 20, backoff: 'fixed' } },
    sending: { outbox: 'atomic', retry: { maxAttempts: 2, backoffDelay: 40, backoff: 'fixed' } },
  },
};

export interface Job {
  readonly call: string;
  readonly type: string;
  readonly id: string;
  readonly kind: MessageKind;
  /** Milliseconds of work. */
  readonly ms: number;
  /** Attempts that throw. */
  readonly failures: number;
  /** What its handler sends. */
  readonly inner?: { readonly job: Job; readonly wait: boolean; readonly timeoutMs: number } | undefined;
  /** What its handler sends with its completion; only of type `sending`. */
  readonly sends?: readonly Job[] | undefined;
}

export type JobBus = RecordableBus<Job, WaitOptions>;

export const jobName = ({ kind }: Job): string => (kind === 'query' ? 'Ask' : 'Work');

/** The name of the call that made a message. */
export function callOfPayload({ payload }: { readonly payload: string }): string | undefined {
  return (JSON.parse(payload) as Partial<Job>).call;
}

/** The bus of a node, with every call written down. */
export function jobBus({ node, recorder }: SimulatedNode): JobBus {
  return recorder.wrapBus<Job, WaitOptions>(
    {
      enqueue: (job, options) => node.queueBus.enqueue(job.type, jobName(job), job.id, job, options),
      enqueueAndWait: (job, options) => node.queueBus.enqueueAndWait(job.type, jobName(job), job.id, job, options),
    },
    {
      address: ({ type, id, kind }) => ({ entityType: type, entityId: id, kind }),
      callOf: ({ call }) => call,
    },
  );
}

/** Does a job in a handler of this node. */
export async function performJob(
  job: Job,
  context: MessageContext,
  member: SimulatedNode,
  bus: JobBus,
  freshCall: () => string,
  outgoing?: OutgoingLedger,
): Promise<string> {
  // Nothing else tells which message the wait for a volatile query made.
  if (job.kind === 'query' && job.type !== 'kept') member.recorder.linked(job.call, context.id);
  const { inner, sends = [] } = job;
  for (const each of job.kind === 'query' ? [] : sends) {
    const sent = { ...each, call: freshCall() };
    await member.node.queueBus.enqueue(sent.type, 'Work', sent.id, sent).then(
      () => outgoing?.note(context, sent),
      () => {},
    );
  }
  if (job.ms > 0) await member.process.sleep(job.ms);
  // A handler that sends with its completion waits for nobody, and tells the history nothing of what it sends.
  const waitsForNobody = job.type === 'sending' || ACTOR_TYPES[job.type] === 'state';
  if (inner !== undefined && !waitsForNobody && context.attempt === 1 && !context.signal.aborted) {
    // A handler may run again, by a replay for example, and each call has a name of its own.
    const sent = { ...inner.job, call: freshCall() };
    if (inner.wait) await bus.enqueueAndWait(sent, { timeoutMs: inner.timeoutMs }).catch(() => {});
    else await bus.enqueue(sent, {}).catch(() => {});
  }
  if (context.attempt <= job.failures) throw new Error(`attempt ${context.attempt}`);
  return `${job.call} done`;
}

/** Writes down what the handlers of a node do, and of volatile queries also what the node says of them. */
export function recordNode(member: SimulatedNode, started: Parameters<HistoryRecorder['recordLifecycle']>[1]): void {
  const { node, recorder } = member;
  // The store tells of durable queries, as it does of commands; the node's own word counts for volatile ones only.
  const toldByStore: ReadonlySet<string> = new Set(['accepted', 'retried', 'ended']);
  recorder.recordLifecycle(
    {
      on: (name, listener) =>
        node.events.on(name, (event) => {
          if (!('entityType' in event && event.entityType === 'kept' && toldByStore.has(name))) listener(event);
        }),
    },
    started,
  );
}
