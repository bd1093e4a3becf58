/**
 * What a handler enqueues when it sends with its completion (`outbox: 'atomic'`, state-only actors): the call checks the
 * message as any other would and only notes it beside the start. The completion takes the notes with it; an attempt that
 * fails leaves them behind (M15).
 *
 * Invariant: an id names the epoch, the start and the place of the message, so no two outgoing messages share one.
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import { copyOffered } from '../wal/offered-transition.js';
import { type OutgoingAppend, outboxSession } from '../wal/transition.js';
import { checkOptions } from './enqueue-options.js';
import { envelopeOf, timesOf, withOwnHeaders } from './envelopes.js';
import { type ActiveMessage, contextStart } from './message-context.js';
import type { Receipt, Submission } from './submission.js';

/** Messages that one completion may take with it, and their characters of payload: both are one commit's (M3). */
const OUTGOING_MAX = 1_000;
const OUTGOING_CHARACTERS_MAX = 4 * 1024 * 1024;

/** What noting a message needs to know of the node; how much is let in is the door's. */
export interface OutgoingPlaces {
  /** First letters of ids are the cluster's. */
  readonly clusterId: string;
  readonly shardOf: (submission: Submission, key: EntityKey) => number;
  /** The shard whose handler sends. */
  readonly sourceOf: (active: ActiveMessage) => number;
  /** @throws AtomicQueuesError when there is too much of something already. `count`: of all that is noted now. */
  readonly admit: (submission: Submission, key: EntityKey, shard: number, active: ActiveMessage, count: number) => void;
}

/**
 * The start that sends with its completion and whose handler is running here.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` when the handler has settled: what it would send has nothing to go with.
 */
export function openOutbox(): ActiveMessage | undefined {
  const active = contextStart();
  if (active === undefined || !active.sendsWithCompletion) return undefined;
  if (active.item.stage === 'running' && active.item.attempt === active.attempt && active.item.active === active)
    return active;
  throw new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `The handler of message ${active.id} has settled, and what it sends goes out with its completion (outbox: 'atomic'): it is too late. Await what the handler begins, or begin it with outsideMessage().`,
    { subject: { messageId: active.id }, retryable: false },
  );
}

/** @throws AtomicQueuesError `DEADLOCK`: waits are not for handlers that send with their completion. */
export function refuseWaiting({ entityType, entityId, name }: ErrorSubject): void {
  if (openOutbox() === undefined) return;
  throw new AtomicQueuesError(
    'DEADLOCK',
    `A handler that sends with its completion (outbox: 'atomic', or effects: 'state') cannot wait for "${name ?? ''}" of ${entityType ?? ''} "${entityId ?? ''}": the message would leave only when the handler has completed. Use enqueue and let the answer come as a message, or wait before the command is sent.`,
    { subject: { entityType, entityId, name } },
  );
}

/** Notes messages, all of them or none. Their ids promise nothing before the completion is durable. */
export function noteOutgoing(
  active: ActiveMessage,
  submissions: readonly Submission[],
  places: OutgoingPlaces,
): Receipt[] {
  const noted = submissions.map((given, index) => {
    const { entityType, entityId, name, options, isVolatile } = given;
    const subject = { entityType, entityId, name };
    if (isVolatile) throw notForOutbox(subject);
    checkOptions(options, subject, false);
    const key = entityKey(entityType, entityId);
    const targetShard = places.shardOf(given, key);
    places.admit(given, key, targetShard, active, submissions.length);
    const submission = withOwnHeaders(given);
    const id = outgoingId(active, places, active.outgoing.length + index);
    const message = envelopeOf(id, submission);
    return { targetShard, append: checked({ type: 'append', message, ...timesOf(options) }, subject) };
  });
  return note(active, noted);
}

/** Notes one append that is not an ordinary message, e.g. a reminder. */
export function noteAppend(active: ActiveMessage, targetShard: number, append: OutgoingAppend): void {
  const { entityType, entityId, name } = append.message;
  note(active, [{ targetShard, append: checked(append, { entityType, entityId, name }) }]);
}

function note(active: ActiveMessage, noted: readonly ActiveMessage['outgoing'][number][]): Receipt[] {
  const { outgoing } = active;
  let characters = 0;
  for (const { append } of [...outgoing, ...noted]) characters += append.message.payload.length;
  if (outgoing.length + noted.length > OUTGOING_MAX || characters > OUTGOING_CHARACTERS_MAX) {
    throw new AtomicQueuesError(
      'PAYLOAD_TOO_LARGE',
      `The handler of message ${active.id} would send ${outgoing.length + noted.length} messages with ${characters} characters of payload with its completion; at most ${OUTGOING_MAX} with ${OUTGOING_CHARACTERS_MAX} go into one commit. Send one message that sends the rest.`,
      { subject: { messageId: active.id } },
    );
  }
  outgoing.push(...noted);
  return noted.map(({ append }) => ({ id: append.message.id }));
}

function outgoingId(active: ActiveMessage, places: OutgoingPlaces, index: number): string {
  const { epoch, number } = active.start;
  const session = outboxSession(places.sourceOf(active), epoch);
  return `${places.clusterId.slice(0, 8)}-${session}.${number.toString(36)}.${index.toString(36)}`;
}

/** What no inbox could take is refused now: once it is in the outbox nobody can be told. */
function checked(append: OutgoingAppend, subject: ErrorSubject): OutgoingAppend {
  try {
    copyOffered(append);
    return append;
  } catch (error) {
    throw new AtomicQueuesError('INVALID_PAYLOAD', error instanceof Error ? error.message : String(error), {
      subject,
      cause: error,
    });
  }
}

function notForOutbox(subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `"${subject.name ?? ''}" is a query that is not stored, so it cannot be sent with a completion. Send a command, or set queries: 'durable' for entity type "${subject.entityType ?? ''}".`,
    { subject },
  );
}
