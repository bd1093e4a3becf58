/** Dead letters, counts and messages as text and as JSON. Text from messages is shown without its control characters. */
import Table from 'cli-table3';
import type { DeadLetter, DeadLetterPage } from '../dead-letter/dead-letters.js';
import type { ShardCounts } from '../wal/transition.js';
import type { StatusRecord } from '../wal/wal.js';

const ID_CHARACTERS = 40;
const ERROR_CHARACTERS = 50;

/** Control characters in an id, a payload or an error message could drive the reader's terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '⏎' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function short(text: string, characters: number): string {
  const shown = Array.from(printable(text));
  return shown.length <= characters ? shown.join('') : `${shown.slice(0, characters - 1).join('')}…`;
}

export const iso = (wallMs: number): string => new Date(wallMs).toISOString();
/** To the second: enough for a table. */
export const when = (wallMs: number): string => `${iso(wallMs).slice(0, 19).replace('T', ' ')}Z`;

export function table(head: readonly string[], rows: readonly (readonly string[])[], colour: boolean): string {
  const bold = (text: string): string => (colour ? `\u001b[1m${text}\u001b[22m` : text);
  const made = new Table({ head: head.map(bold), style: { head: [], border: [] } });
  for (const row of rows) made.push([...row]);
  return made.toString();
}

export function listText({ letters, cursor }: DeadLetterPage, colour: boolean): string {
  if (letters.length === 0) return 'No dead letters.';
  const rows = letters.map((letter) => [
    printable(letter.id),
    short(`${letter.entityType} ${letter.entityId}`, ID_CHARACTERS),
    short(letter.name, ID_CHARACTERS),
    letter.reason,
    String(letter.attempts),
    when(letter.diedAt),
    letter.error === undefined ? '' : short(`${letter.error.name}: ${letter.error.message}`, ERROR_CHARACTERS),
  ]);
  const shown = table(['id', 'entity', 'message', 'reason', 'attempts', 'died', 'error'], rows, colour);
  return cursor === undefined ? shown : `${shown}\nThere are more: add --cursor ${cursor}`;
}

/** One object per letter: times as ISO text, the payload as the value that was sent. */
export function letterJson(letter: DeadLetter): Record<string, unknown> {
  const { payload, enqueuedAt, diedAt, history, ...rest } = letter;
  return {
    ...rest,
    enqueuedAt: iso(enqueuedAt),
    diedAt: iso(diedAt),
    payload: parsed(payload),
    history: history.map((record) => ({ ...record, at: iso(record.at) })),
  };
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

export function letterText(letter: DeadLetter, colour: boolean): string {
  const { error } = letter;
  const fields: [string, string | undefined][] = [
    ['id', letter.id],
    ['entity', `${letter.entityType} ${letter.entityId}`],
    ['message', letter.name],
    ['reason', letter.reason],
    ['error', error === undefined ? undefined : `${error.name}: ${error.message}`],
    ['attempts', String(letter.attempts)],
    ['interruptions', letter.interruptions === 0 ? undefined : String(letter.interruptions)],
    ['enqueued', iso(letter.enqueuedAt)],
    ['died', iso(letter.diedAt)],
    ['message id', letter.messageId],
    ['replay of', letter.replayOf],
    ['headers', letter.headers === undefined ? undefined : JSON.stringify(letter.headers)],
  ];
  const lines = fieldLines(fields);
  if (letter.history.length > 0) {
    const rows = letter.history.map((record) => [
      String(record.attempt),
      iso(record.at),
      record.outcome,
      record.error === undefined ? '' : short(`${record.error.name}: ${record.error.message}`, ERROR_CHARACTERS),
    ]);
    lines.push('', table(['attempt', 'ended', 'outcome', 'error'], rows, colour));
  }
  lines.push('', 'payload', ...indented(payloadText(letter.payload)));
  if (error?.data !== undefined) lines.push('', 'error data', ...indented(JSON.stringify(error.data, undefined, 2)));
  if (error?.stack !== undefined) lines.push('', 'stack', ...indented(error.stack));
  return lines.join('\n');
}

function fieldLines(fields: readonly (readonly [string, string | undefined])[]): string[] {
  const given = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`);
}

function payloadText(payload: string): string {
  const value = parsed(payload);
  return typeof value === 'object' && value !== null ? JSON.stringify(value, undefined, 2) : payload;
}

function indented(text: string): string[] {
  return text.split('\n').map((line) => `  ${printable(line)}`);
}

export function statusText(status: StatusRecord): string {
  const { verdict } = status;
  return fieldLines([
    ['id', status.id],
    ['state', status.state],
    ['entity', `${status.entityType} ${status.entityId}`],
    ['attempts', status.attempt === 0 ? undefined : String(status.attempt)],
    ['reply', verdict?.reply],
    ['error', verdict?.error === undefined ? undefined : `${verdict.error.name}: ${verdict.error.message}`],
  ]).join('\n');
}

export function statusJson(status: StatusRecord): Record<string, unknown> {
  const { verdict, ...rest } = status;
  if (verdict === undefined) return rest;
  return {
    ...rest,
    ...(verdict.reply !== undefined && { reply: parsed(verdict.reply) }),
    ...(verdict.error !== undefined && { error: verdict.error }),
  };
}

export function countsText(counts: ShardCounts, colour: boolean): string {
  const { accepted, pending, completed, failed, interrupted, expired, cancelled, deadLetters, blocked } = counts;
  const rows = Object.entries({ accepted, pending, completed, failed, interrupted, expired, cancelled })
    .concat([
      ['dead letters', deadLetters],
      ['blocked, of the pending', blocked],
    ])
    .map(([name, count]) => [name, String(count)]);
  return table(['messages', 'count'], rows, colour);
}
