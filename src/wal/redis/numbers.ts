/** All single numbers of a shard, kept as one field and written with each commit. */
import type { ShardNumbers } from '../shard-data.js';
import type { ShardCounts } from '../transition.js';

export interface RedisShardNumbers extends ShardNumbers {
  /** How many there are of each. */
  inLine: number;
  delayed: number;
  verdicts: number;
  letters: number;
}

const START = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

export function numbersOf(text: string | null | undefined): RedisShardNumbers {
  const values = text === null || text === undefined || text === '' ? START : text.split(' ').map(Number);
  const at = (index: number): number => values[index] ?? 0;
  return {
    nextSeq: at(0),
    nextDelayed: at(1),
    nextKept: at(2),
    nextLetter: at(3),
    accepted: at(4),
    completed: at(5),
    failed: at(6),
    interrupted: at(7),
    expired: at(8),
    cancelled: at(9),
    inLine: at(10),
    delayed: at(11),
    verdicts: at(12),
    letters: at(13),
  };
}

export function numbersText(n: RedisShardNumbers): string {
  return `${n.nextSeq} ${n.nextDelayed} ${n.nextKept} ${n.nextLetter} ${n.accepted} ${n.completed} ${n.failed} ${n.interrupted} ${n.expired} ${n.cancelled} ${n.inLine} ${n.delayed} ${n.verdicts} ${n.letters}`;
}

export function countsOf(numbers: RedisShardNumbers, blocked: number): ShardCounts {
  const { accepted, completed, failed, interrupted, expired, cancelled, inLine, delayed, letters } = numbers;
  return {
    accepted,
    completed,
    failed,
    interrupted,
    expired,
    cancelled,
    pending: inLine + delayed,
    deadLetters: letters,
    blocked,
  };
}
