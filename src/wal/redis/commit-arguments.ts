/** The arguments of the commit script, in the order that `lua/commit.ts` names. Pure. */
import type { Inbox } from './commit-answer.js';
import { numbersText } from './numbers.js';
import { PEEK_BYTES_MAX } from './options.js';
import type { ShardContext } from './shard-context.js';
import type { Work } from './work.js';
import type { Writes } from './writes.js';

export interface CommitCall {
  readonly epoch: number;
  readonly incarnation: string;
  /** Of the last commit. */
  readonly after: number;
  /** Of this one; the same for a cleanup. */
  readonly number: number;
  readonly tag: string;
  readonly work: Work;
  readonly writes: Writes;
  /** Of a commit; a cleanup needs none of it, and shows no offers. */
  readonly how?: CommitHow | undefined;
}

export interface CommitHow {
  readonly inbox: Inbox | undefined;
  /** Whether offers may stay in the inbox that nobody has looked at. */
  readonly mayLeave: boolean;
  readonly grows: boolean;
  readonly toleranceMs: number;
}

export function commitArguments(context: ShardContext, call: CommitCall): string[] {
  const { epoch, incarnation, after, number, tag, work, writes, how } = call;
  const { numbers } = work;
  const owner = [String(epoch), incarnation, String(after), String(number), tag];
  const held = [numbersText(numbers), String(numbers.inLine + numbers.delayed)];
  const args =
    how === undefined
      ? [...owner, '0', '0', '0', '0', '0', '0', ...held, '0', '0', '0']
      : [...owner, ...guarded(context, work, how), ...held, ...taken(how)];
  writes.writeTo(args);
  return args;
}

function guarded({ serverTime, offersTakenMax, offerBytesMax }: ShardContext, { now }: Work, how: CommitHow): string[] {
  return [
    String(now),
    serverTime === undefined ? '0' : String(how.toleranceMs),
    String(offersTakenMax),
    String(PEEK_BYTES_MAX),
    String(offerBytesMax),
    how.grows ? '1' : '0',
  ];
}

function taken({ inbox, mayLeave }: CommitHow): string[] {
  const entries = inbox?.entries ?? [];
  const hearsay = inbox?.isHearsay === true ? entries.map(({ text }) => text) : [];
  return [String(entries.length), mayLeave ? '0' : '1', String(hearsay.length), ...hearsay];
}
