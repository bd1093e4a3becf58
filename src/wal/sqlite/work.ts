/** What a transition works on: the parts of the store, and the one commit that is under way. */
import type { CommitRequest, PausedLine, RetentionOptions } from '../wal.js';
import type { ActorStates } from './actor-states.js';
import type { Ids } from './ids.js';
import type { Line } from './line.js';
import type { Records } from './records.js';
import type { ShardNumbers } from './shard-row.js';
import type { WaitingLines } from './waiting-lines.js';

/** One commit at work. */
export interface Work {
  readonly line: Line;
  readonly ids: Ids;
  readonly records: Records;
  readonly states: ActorStates;
  readonly waiting: WaitingLines;
  readonly numbers: ShardNumbers;
  /** Under the entity's key, or the bare type name. */
  readonly paused: Map<string, PausedLine>;
  readonly retention: RetentionOptions;
  readonly now: number;
  readonly epoch: number;
  /** Offers are left in the inbox, which go first. */
  readonly offersLeft: boolean;
  readonly runsUnmarked: CommitRequest['runsUnmarked'];
}
