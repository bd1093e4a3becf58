/**
 * The owner's side of requests from other nodes: queries are put in their entity's line, operations are done, and the
 * answer goes back. A request that comes again is not done again: its answer is remembered for a while.
 */
import { AtomicQueuesError, describeError } from '../message/errors.js';
import type { Verdict } from '../wal/transition.js';
import type { Answer, Request } from './requests.js';
import type { Tenure } from './tenure.js';
import type { OperationResult, ShardOperation, TransportMessage } from './transport/transport.js';

export interface RequestDeskOptions {
  /** The tenure that serves the shard here. */
  readonly serving: (shard: number) => Tenure | undefined;
  readonly send: (to: string, message: TransportMessage) => void;
  /** A handler's result as JSON text. @throws AtomicQueuesError */
  readonly encodeReply: (value: unknown, what: string) => string | undefined;
}

/** Answers remembered for repeated requests. */
const REMEMBERED_MAX = 1_024;

export class RequestDesk {
  private readonly underWay = new Set<string>();
  /** Answers by request id, the oldest first. */
  private readonly answers = new Map<string, Answer>();

  constructor(private readonly options: RequestDeskOptions) {}

  receive(request: Request): void {
    const { id, replyTo, shard } = request;
    const answer = this.answers.get(id);
    if (answer !== undefined) this.options.send(replyTo, answer);
    if (answer !== undefined || this.underWay.has(id)) return;
    const tenure = this.options.serving(shard);
    if (tenure === undefined) {
      this.options.send(replyTo, { type: 'not-here', id });
      return;
    }
    this.underWay.add(id);
    if (request.type === 'ask') this.ask(tenure, request);
    else void this.operate(tenure, request);
  }

  private ask(tenure: Tenure, request: Extract<Request, { type: 'ask' }>): void {
    const { id, entityType, entityId, name, payload, headers } = request;
    const submission = {
      kind: 'query',
      isVolatile: true,
      entityType,
      entityId,
      name,
      payload,
      options: { headers },
    } as const;
    // The caller's own time limit ends its wait; nothing is gained by a second one here.
    this.promised(() => tenure.submitter.enqueueAndWait(submission, { headers, timeoutMs: 0 })).then(
      (value) => this.finish(request, () => ({ type: 'verdict', id, verdict: this.completed(value, name) })),
      (error: unknown) => this.refuse(request, error),
    );
  }

  private async operate(tenure: Tenure, request: Extract<Request, { type: 'operate' }>): Promise<void> {
    const { id, operation } = request;
    try {
      const result = await perform(tenure, operation);
      this.finish(request, () => ({ type: 'operated', id, result }));
    } catch (error) {
      this.refuse(request, error);
    }
  }

  private async promised<T>(action: () => Promise<T>): Promise<T> {
    return action();
  }

  private completed(value: unknown, name: string): Verdict {
    const reply = this.options.encodeReply(value, `Reply of "${name}"`);
    return reply === undefined ? { state: 'completed' } : { state: 'completed', reply };
  }

  /** A node that cannot do it now is not the one to answer: the asker looks for the next owner. */
  private refuse(request: Request, error: unknown): void {
    const { id, replyTo } = request;
    const code = error instanceof AtomicQueuesError ? error.code : undefined;
    if (request.type === 'operate' || (code !== undefined && ELSEWHERE.has(code))) {
      this.underWay.delete(id);
      this.options.send(replyTo, { type: 'not-here', id });
      return;
    }
    this.finish(request, () => answerOf(id, error));
  }

  private finish({ id, replyTo }: Request, make: () => Answer): void {
    let answer: Answer;
    try {
      answer = make();
    } catch (error) {
      answer = answerOf(id, error);
    }
    this.underWay.delete(id);
    this.answers.set(id, answer);
    if (this.answers.size > REMEMBERED_MAX) this.forgetOldest();
    this.options.send(replyTo, answer);
  }

  private forgetOldest(): void {
    const oldest = this.answers.keys().next();
    if (oldest.done !== true) this.answers.delete(oldest.value);
  }
}

/** What the asker hears: how the handler ended, or why it has not run, in the words of a caller here. */
function answerOf(id: string, error: unknown): Answer {
  if (error instanceof AtomicQueuesError && error.code !== 'HANDLER_FAILED') {
    const { code, message, retryable } = error;
    if (code === 'CANCELLED') return { type: 'verdict', id, verdict: { state: 'cancelled' } };
    return { type: 'refused', id, code, retryable, text: message };
  }
  const cause = error instanceof AtomicQueuesError ? error.cause : error;
  return { type: 'verdict', id, verdict: { state: 'failed', error: describeError(cause) } };
}

const ELSEWHERE: ReadonlySet<string> = new Set([
  'SHUTTING_DOWN',
  'STALE_EPOCH',
  'NOT_OWNER',
  'INDETERMINATE',
  'STORE_DEGRADED',
  'INTERRUPTED',
]);

/** Does an operation on a shard that is owned here. */
export async function perform(tenure: Tenure, operation: ShardOperation): Promise<OperationResult> {
  const { operations } = tenure;
  switch (operation.type) {
    case 'cancel':
      return operations.cancel(operation.messageId);
    case 'release':
      return operations.release(operation.messageId);
    case 'replay':
      return (await operations.replay(operation.messageId)) ?? null;
    case 'purge-letter':
      return operations.purgeDeadLetter(operation.messageId);
    case 'unblock':
      return operations.unblock(operation.messageId);
    case 'skip':
      return operations.skip(operation.messageId);
    case 'purge':
      return operations.purge(operation.entityType, operation.entityId);
    case 'pause':
    case 'resume':
      await operations.setPaused(operation.type === 'pause', operation.entityType, operation.entityId);
      return true;
  }
}
