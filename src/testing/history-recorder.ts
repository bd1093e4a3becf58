/**
 * Writes the history of a node: gives each fact its node and number, listens to lifecycle events, and wraps a bus so that
 * calls and their answers are recorded. Owns the node's numbers and the names of its calls.
 *
 * What is durable can be taken from two sources. `recordWal` (see `history-recording-wal.ts`) hears it from the store and
 * so can catch an engine that tells lies; `durableFacts: true` believes the lifecycle events instead. Use one of them.
 */
import type { LifecycleEvents } from '../entity/lifecycle-events.js';
import type { MessageKind } from '../message/envelope.js';
import type { FinalState } from '../wal/transition.js';
import type { HistoryEvent, HistoryFact, OperatorCalled, Started } from './history.js';
import type { HistorySink } from './history-log.js';

export interface HistoryRecorderOptions {
  readonly node: string;
  readonly sink: HistorySink;
  /** The clock of `at`; the store's time where there is one. Milliseconds. Left out: events carry no time. */
  readonly now?: (() => number) | undefined;
  /** Tells this life of the node from its other ones, so that no two calls in the log share a name. Default `1`. */
  readonly life?: string | undefined;
}

/** Where lifecycle events come from. The returned function stops listening. */
export interface LifecycleSource {
  on<K extends keyof LifecycleEvents>(name: K, listener: (event: LifecycleEvents[K]) => void): () => void;
}

export type StartedIn = Pick<Started, 'shard' | 'epoch' | 'leaseLeftMs'>;

/** As much of a bus as is recorded. */
export interface RecordableBus<Message, Options> {
  enqueue(message: Message, options?: Options): Promise<{ readonly id: string }>;
  enqueueAndWait(message: Message, options?: Options): Promise<unknown>;
}

/** What of the options matters for the history. */
export interface RecordableOptions {
  readonly messageId?: string | undefined;
  readonly delayMs?: number | undefined;
  readonly runAt?: unknown;
  readonly cancelOnTimeout?: boolean | undefined;
}

/** What an operator is about to do. */
export type Operation = Pick<OperatorCalled, 'action' | 'id' | 'entityType' | 'entityId'>;

export interface BusRecording<Message> {
  /** Whom the message is addressed to. */
  readonly address: (message: Message) => {
    readonly entityType: string;
    readonly entityId: string;
    readonly kind: MessageKind;
  };
  /**
   * A name of the call that is unique in the whole history and that the payload carries too, so that `recordWal` or the
   * handler (`linked`) can tell which message the call made. Left out: the recorder counts, and a waiter's message is
   * known only if it fails.
   */
  readonly callOf?: ((message: Message) => string) | undefined;
  /** JSON text of a reply, as the store has it. Default `JSON.stringify`. */
  readonly replyText?: ((reply: unknown) => string | undefined) | undefined;
}

const VERDICT_OF_CODE: Readonly<Record<string, FinalState>> = {
  HANDLER_FAILED: 'failed',
  INTERRUPTED: 'interrupted',
  EXPIRED: 'expired',
  CANCELLED: 'cancelled',
};

export class HistoryRecorder {
  private seq = 0;
  private calls = 0;

  constructor(private readonly options: HistoryRecorderOptions) {}

  /** Writes `nodeStarted`. First thing in the life of a process. */
  start(): void {
    this.record({ type: 'nodeStarted' });
  }

  /** Writes one fact. `at` defaults to the recorder's clock. */
  record(fact: HistoryFact, at: number | undefined = this.options.now?.()): void {
    this.seq += 1;
    const { node } = this.options;
    const event = at === undefined ? { ...fact, node, seq: this.seq } : { ...fact, node, seq: this.seq, at };
    this.options.sink.append(event as HistoryEvent);
  }

  /** From inside a handler: the call with this name made this message. */
  linked(call: string, id: string): void {
    this.record({ type: 'linked', call, id });
  }

  /** Listens to an engine. Returns a function that stops listening. */
  recordLifecycle(
    source: LifecycleSource,
    options: {
      readonly durableFacts: boolean;
      /** What a node of a cluster knows of the shard that a handler starts in. */
      readonly ownership?: ((started: LifecycleEvents['started']) => StartedIn) | undefined;
    },
  ): () => void {
    const told = (kind: MessageKind) => options.durableFacts || kind === 'query';
    const stops = [
      source.on('accepted', ({ id, kind, entityType, entityId, at }) => {
        if (told(kind)) this.record({ type: 'accepted', id, kind, entityType, entityId }, at);
      }),
      source.on('started', (started) => {
        const { id, kind, entityType, entityId, attempt, fencingToken, at } = started;
        // The event itself says that the dispatch is durable; without the store's word there is no other proof of it.
        if (options.durableFacts) this.record({ type: 'dispatched', id, attempt }, at);
        const ownership = options.ownership?.(started);
        this.record({ type: 'started', id, kind, entityType, entityId, attempt, fencingToken, ...ownership }, at);
      }),
      source.on('settled', ({ id, attempt, ok }) => this.record({ type: 'handlerEnded', id, attempt, ok })),
      source.on('tookBack', ({ id, attempt }) => this.record({ type: 'abandoned', id, attempt })),
      source.on('retried', ({ id, kind, notBefore }) => {
        if (told(kind)) this.record({ type: 'retried', id, reason: 'failed', notBefore });
      }),
      source.on('ended', ({ id, kind, state, at }) => {
        if (told(kind)) this.record({ type: 'ended', id, state }, at);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /**
   * What an operator does, with what he is told: `false` and `undefined` mean that there was nothing to do it to, and the
   * `id` of a replay is that of the new message. A call that fails is not answered: it may have been done.
   */
  async recordOperation<Answer>(operation: Operation, act: () => Promise<Answer>): Promise<Answer> {
    this.calls += 1;
    const call = `operator ${this.options.node}.${this.options.life ?? '1'}.${this.calls}`;
    const { action, id } = operation;
    if (action === 'cancel' && id !== undefined) this.record({ type: 'cancelCalled', id });
    if ((action === 'replay' || action === 'purge') && id !== undefined) this.record({ type: `${action}Called`, id });
    this.record({ type: 'operatorCalled', call, ...operation });
    const answer = await act();
    const isLine = action === 'pause' || action === 'resume';
    const newId = (answer as { readonly id?: unknown } | undefined)?.id;
    this.record({
      type: 'operatorAnswered',
      call,
      done: isLine || (answer !== false && answer !== undefined),
      ...(typeof newId === 'string' && { newId }),
    });
    return answer;
  }

  /** A bus that records the calls made through it. */
  wrapBus<Message, Options extends RecordableOptions>(
    bus: RecordableBus<Message, Options>,
    recording: BusRecording<Message>,
  ): RecordableBus<Message, Options> {
    const replyText = recording.replyText ?? ((reply: unknown) => JSON.stringify(reply) as string | undefined);
    return {
      enqueue: async (message, options) => {
        const call = this.called(message, recording, options, false);
        try {
          const answer = await bus.enqueue(message, options);
          this.record({ type: 'enqueueResolved', call, id: answer.id });
          return answer;
        } catch (error) {
          this.record({ type: 'enqueueRejected', call, ...errorFacts(error) });
          throw error;
        }
      },
      enqueueAndWait: async (message, options) => {
        const call = this.called(message, recording, options, true);
        try {
          const reply = await bus.enqueueAndWait(message, options);
          this.record({ type: 'answered', call, state: 'completed', reply: replyText(reply) });
          return reply;
        } catch (error) {
          const { code, id } = errorFacts(error);
          const state = code === undefined ? undefined : VERDICT_OF_CODE[code];
          if (state === undefined) this.record({ type: 'enqueueRejected', call, code, id });
          else this.record({ type: 'answered', call, id, state });
          throw error;
        }
      },
    };
  }

  private called<Message>(
    message: Message,
    recording: BusRecording<Message>,
    options: RecordableOptions | undefined,
    wait: boolean,
  ): string {
    this.calls += 1;
    const call = recording.callOf?.(message) ?? `${this.options.node}.${this.options.life ?? '1'}.${this.calls}`;
    const { messageId, cancelOnTimeout } = options ?? {};
    const delayed = options?.delayMs !== undefined || options?.runAt !== undefined;
    this.record({
      type: 'enqueueCalled',
      call,
      wait,
      ...recording.address(message),
      ...(messageId === undefined ? {} : { messageId }),
      ...(delayed ? { delayed } : {}),
      ...(cancelOnTimeout === true ? { cancelOnTimeout } : {}),
    });
    return call;
  }
}

function errorFacts(error: unknown): { readonly code?: string | undefined; readonly id?: string | undefined } {
  if (typeof error !== 'object' || error === null) return {};
  const { code, subject } = error as { readonly code?: unknown; readonly subject?: { readonly messageId?: unknown } };
  return {
    code: typeof code === 'string' ? code : undefined,
    id: typeof subject?.messageId === 'string' ? subject.messageId : undefined,
  };
}
