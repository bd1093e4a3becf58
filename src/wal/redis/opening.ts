/** Opening a shard on the server: the claim, and what can stand in its way. */
import { LineFormatError, type OpenClaim, ShardHeldError } from '../shared-wal.js';
import { fatalRedisError } from './errors.js';
import { type ShardKeys, shardKeysByKind } from './keys.js';
import { signOf } from './reads.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';

export interface Opening {
  readonly shard: number;
  readonly incarnation: string;
  readonly claim: OpenClaim | undefined;
  /** What its lines are to be written in at least, and the newest format that this node understands. */
  readonly lineFormat: number;
  readonly lineFormatMax: number;
}

/** The new epoch, and the incarnation that had the shard before (empty: none). @throws ShardHeldError, LineFormatError */
export async function openOnServer(
  client: RedisClient,
  keys: ShardKeys,
  { shard, incarnation, claim, lineFormat, lineFormatMax }: Opening,
): Promise<{ readonly epoch: number; readonly former: string }> {
  const { hash, zset, list, set } = shardKeysByKind(keys);
  const silent = claim?.silent;
  const [code, ...rest] = (await runScript(
    client,
    SCRIPTS.open,
    [keys.meta, ...hash, ...zset, ...list, ...set],
    [
      ...[incarnation, claim?.node ?? '', claim === undefined ? '0' : '1'],
      ...(silent === undefined ? ['', '', ''] : [String(silent.epoch), silent.incarnation ?? '', String(silent.beat)]),
      String((claim?.epochSeen ?? 0) + 1),
      ...[hash, zset, list].map((kind) => String(kind.length)),
      ...[String(lineFormat), String(lineFormatMax)],
    ],
  )) as [number, ...string[]];
  const [first = '', second = ''] = rest;
  switch (code) {
    case 0:
      return { epoch: Number(first), former: second };
    case 1:
      throw new ShardHeldError(shard, signOf(rest));
    case 2:
      throw new LineFormatError(shard, Number(first), lineFormatMax);
    default:
      throw fatalRedisError(
        `The key ${first} belongs to this store and holds a ${second} of someone else. Choose another \`keyPrefix\`, or remove it.`,
      );
  }
}
