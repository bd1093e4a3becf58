/** What is kept of messages, and its texts on the server. Pure. */
import type { Envelope, ErrorDescription, MessageHeaders, MessageKind } from '../../message/envelope.js';
import { base36 } from '../owner-ids.js';
import type { AttemptRecord, DeadLetterReason, PendingState, StoredMessage, Verdict } from '../transition.js';
import type { MessageHead } from '../wal.js';

/** What the owner needs of a message in line. Never changed, only replaced. */
export interface Held extends MessageHead {
  readonly id: string;
  readonly messageId: string | undefined;
  readonly replyTo: string | undefined;
  /** Whether errors of former attempts are kept. */
  readonly hasPast: boolean;
  /** Whether its id is in the hash of ids, because it does not tell the place. */
  readonly indexed: boolean;
  /** Whether its body stands in its head's text. */
  readonly bodyInHead: boolean;
}

/** The rest of it, which never changes. */
export interface Body {
  readonly enqueuedAt: number;
  readonly kind: MessageKind;
  readonly headers: MessageHeaders | undefined;
  readonly replayOf: string | undefined;
  readonly recurrence: string | undefined;
  readonly lastRunId: string | undefined;
  readonly payload: string;
}

/** Where an id is, if not in line at the place that it tells. */
export interface Pointer {
  readonly seq?: number | undefined;
  readonly delayed?: number | undefined;
  readonly letter?: number | undefined;
  readonly verdict?: number | undefined;
}

export interface LetterHead {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly name: string;
  readonly reason: DeadLetterReason;
  readonly diedAt: number;
}

export interface Corpse {
  readonly error?: ErrorDescription | undefined;
  readonly message: StoredMessage;
}

export interface KeptVerdict {
  readonly id: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly verdict: Verdict;
  readonly messageKey?: string | undefined;
  /** Someone polls for it: it stands among the replies, too. */
  readonly polled?: true | undefined;
  /** Only a reply is kept, to a message that was not taken in; the verdict says nothing, and no id leads here. */
  readonly note?: true | undefined;
  /** Known before this wall time. */
  readonly at: number;
}

const BLOCKED = 1;
const HAS_PAST = 2;
const INDEXED = 4;

/** Texts of types, names and the addresses of nodes, which are few. */
const quoted = new Map<string, string>();

function quoteFrequent(text: string): string {
  let known = quoted.get(text);
  if (known === undefined) {
    known = JSON.stringify(text);
    if (quoted.size >= 1_000) quoted.clear();
    quoted.set(text, known);
  }
  return known;
}

/** Without its body. A message that is dispatched is written as if it waited; its attempt is in the hash `run`. */
export function headText(held: Held): string {
  const names = `[${JSON.stringify(held.id)},${quoteFrequent(held.entityType)},${JSON.stringify(held.entityId)},${quoteFrequent(held.name)}`;
  const flags = (held.state === 'blocked' ? BLOCKED : 0) + (held.hasPast ? HAS_PAST : 0) + (held.indexed ? INDEXED : 0);
  const { attempt, interruptions, notBefore, expiresAt, messageId, replyTo } = held;
  const waits = held.state === 'dispatched' ? attempt - 1 : attempt;
  if (flags === 0 && waits === 0 && interruptions === 0 && notBefore === 0 && expiresAt === 0) {
    if (messageId === undefined && replyTo === undefined) return `${names}]`;
  }
  const numbers = `${names},${waits},${interruptions},${notBefore},${expiresAt},${flags}`;
  if (messageId === undefined && replyTo === undefined) return `${numbers}]`;
  return `${numbers},${JSON.stringify(messageId ?? null)},${replyTo === undefined ? 'null' : quoteFrequent(replyTo)}]`;
}

type HeadTuple = [
  id: string,
  entityType: string,
  entityId: string,
  name: string,
  attempt?: number,
  interruptions?: number,
  notBefore?: number,
  expiresAt?: number,
  flags?: number,
  messageId?: string | null,
  replyTo?: string | null,
];

/** A body that stands in a head follows the head's own text behind the first line break. */
export function headWithBody(head: string, body: string): string {
  return `${head}\n${body}`;
}

/** The text of the body that stands in a head; undefined when it stands apart. */
export function bodyTextIn(head: string): string | undefined {
  const border = head.indexOf('\n');
  return border < 0 ? undefined : head.slice(border + 1);
}

/** @param running the attempt in `run`, when the message is dispatched. */
export function heldOf(seq: number, text: string, running: string | null): Held {
  const border = text.indexOf('\n');
  const [
    id,
    entityType,
    entityId,
    name,
    attempt = 0,
    interruptions = 0,
    notBefore = 0,
    expiresAt = 0,
    flags = 0,
    messageId,
    replyTo,
  ] = JSON.parse(border < 0 ? text : text.slice(0, border)) as HeadTuple;
  const state: PendingState = running !== null ? 'dispatched' : (flags & BLOCKED) !== 0 ? 'blocked' : 'enqueued';
  return {
    seq,
    id,
    entityType,
    entityId,
    name,
    state,
    attempt: running === null ? attempt : Number(running),
    interruptions,
    notBefore,
    expiresAt,
    messageId: messageId ?? undefined,
    replyTo: replyTo ?? undefined,
    hasPast: (flags & HAS_PAST) !== 0,
    indexed: (flags & INDEXED) !== 0,
    bodyInHead: border >= 0,
  };
}

export function headOf(held: Held): MessageHead {
  const { seq, entityType, entityId, name, state, attempt, interruptions, notBefore, expiresAt } = held;
  return { seq, entityType, entityId, name, state, attempt, interruptions, notBefore, expiresAt };
}

/** One line of JSON, then the payload as it is, so that it is not encoded twice. */
export function bodyText({ enqueuedAt, kind, headers, replayOf, recurrence, lastRunId, payload }: Body): string {
  const recurs = recurrence !== undefined || lastRunId !== undefined;
  if (kind === 'command' && headers === undefined && replayOf === undefined && !recurs)
    return `${enqueuedAt}\n${payload}`;
  const fields = [enqueuedAt, kind, headers ?? null, replayOf ?? null];
  return `${JSON.stringify(recurs ? [...fields, recurrence ?? null, lastRunId ?? null] : fields)}\n${payload}`;
}

export function bodyOf(text: string): Body {
  const border = text.indexOf('\n');
  const first = text.slice(0, border);
  const payload = text.slice(border + 1);
  const [enqueuedAt, kind, headers, replayOf, recurrence, lastRunId] = (
    first[0] === '[' ? JSON.parse(first) : [Number(first), 'command']
  ) as BodyTuple;
  return {
    enqueuedAt,
    kind,
    headers: headers ?? undefined,
    replayOf: replayOf ?? undefined,
    recurrence: recurrence ?? undefined,
    lastRunId: lastRunId ?? undefined,
    payload,
  };
}

type BodyTuple = [
  enqueuedAt: number,
  kind: MessageKind,
  headers?: MessageHeaders | null,
  replayOf?: string | null,
  recurrence?: string | null,
  lastRunId?: string | null,
];

export function bodyOfEnvelope(envelope: Envelope, enqueuedAt: number): Body {
  const { kind, headers, recurrence, payload } = envelope;
  return { enqueuedAt, kind, headers, replayOf: undefined, recurrence, lastRunId: undefined, payload };
}

/** The whole message, in the shape of the port. */
export function messageOf(held: Held, body: Body, history: readonly AttemptRecord[]): StoredMessage {
  const { headers, replayOf, recurrence, lastRunId } = body;
  const { messageId, replyTo } = held;
  return {
    id: held.id,
    kind: body.kind,
    entityType: held.entityType,
    entityId: held.entityId,
    name: held.name,
    payload: body.payload,
    ...(headers !== undefined && { headers }),
    ...(messageId !== undefined && { messageId }),
    ...(replyTo !== undefined && { replyTo }),
    ...(recurrence !== undefined && { recurrence }),
    seq: held.seq,
    state: held.state,
    attempt: held.attempt,
    interruptions: held.interruptions,
    enqueuedAt: body.enqueuedAt,
    notBefore: held.notBefore,
    expiresAt: held.expiresAt,
    history,
    ...(replayOf !== undefined && { replayOf }),
    ...(lastRunId !== undefined && { lastRunId }),
  };
}

export function pointerText({ seq, delayed, letter, verdict }: Pointer): string {
  if (seq !== undefined) return `s${seq}`;
  if (delayed !== undefined) return `d${delayed}`;
  return `${letter === undefined ? '' : `l${letter}`}${verdict === undefined ? '' : `v${verdict}`}`;
}

export function pointerOf(text: string): Pointer {
  const found: { seq?: number; delayed?: number; letter?: number; verdict?: number } = {};
  for (const [, kind, digits] of text.matchAll(/([sdlv])(\d+)/g)) {
    const number = Number(digits);
    if (kind === 's') found.seq = number;
    else if (kind === 'd') found.delayed = number;
    else if (kind === 'l') found.letter = number;
    else found.verdict = number;
  }
  return found;
}

export function letterHeadText({ id, entityType, entityId, name, reason, diedAt }: LetterHead): string {
  return JSON.stringify([id, entityType, entityId, name, reason, diedAt]);
}

export function letterHeadOf(text: string): LetterHead {
  const [id, entityType, entityId, name, reason, diedAt] = JSON.parse(text) as [
    string,
    string,
    string,
    string,
    DeadLetterReason,
    number,
  ];
  return { id, entityType, entityId, name, reason, diedAt };
}

/** The number that an id ends with, after its last hyphen and in base 36; -1 when there is none. */
export function numberInId(id: string): number {
  const border = id.lastIndexOf('-');
  return border < 0 ? -1 : base36(id, border + 1);
}
