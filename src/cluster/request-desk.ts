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
  /** Answers by request id; undefined while it is being done. */
  private readonly answers = new Map<string, Answer | undefined>();

  constructor(private readonly options: RequestDeskOptions) {}

  receive(request: Request): void {
    const { id, replyTo, shard } = request;
    if (this.answers.has(id)) {
      const answer = this.answers.get(id);
      if (answer !== undefined) this.options.send(replyTo, answer);
      return;
    }
    const tenure = this.options.serving(shard);
    if (tenure === undefined) {
      this.options.send(replyTo, { type: 'not-here', id });
      return;
    }
    this.answers.set(id, undefined);
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
      this.answers.delete(id);
      this.options.send(replyTo, { type: 'not-here', id });
      return;
    }
    const cause = code === 'HANDLER_FAILED' ? (error as AtomicQueuesError).cause : error;
    this.finish(request, () => ({
      type: 'verdict',
      id,
      verdict: code === 'CANCELLED' ? { state: 'cancelled' } : { state: 'failed', error: describeError(cause) },
    }));
  }

  private finish({ id, replyTo }: Request, make: () => Answer): void {
    let answer: Answer;
    try {
      answer = make();
    } catch (error) {
      answer = { type: 'verdict', id, verdict: { state: 'failed', error: describeError(error) } };
    }
    this.answers.set(id, answer);
    if (this.answers.size > REMEMBERED_MAX) this.forgetOldest();
    this.options.send(replyTo, answer);
  }

  private forgetOldest(): void {
    for (const [id, answer] of this.answers) {
      if (this.answers.size <= REMEMBERED_MAX / 2) return;
      if (answer !== undefined) this.answers.delete(id);
    }
  }
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
    case 'purge':
      return operations.purge(operation.entityType, operation.entityId);
    case 'pause':
    case 'resume':
      await operations.setPaused(operation.type === 'pause', operation.entityType, operation.entityId);
      return true;
  }
}
