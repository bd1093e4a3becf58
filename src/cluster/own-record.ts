/** What a node says of itself in the cluster store. */
import type { HandlerTable } from '../entity/handler-table.js';
import type { NodeShare } from '../entity/node-share.js';
import type { ResolvedConfig } from '../runtime/config.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { NodeRecord } from './cluster-store.js';
import type { Tenure } from './tenure.js';

export interface OwnRecordOptions {
  readonly config: ResolvedConfig;
  readonly wal: Pick<SharedWal, 'lineFormatMax' | 'lineFormatMet'>;
  readonly handlers: HandlerTable;
  readonly share: NodeShare;
  readonly tenures: readonly Tenure[];
  readonly who: Pick<NodeRecord, 'serverId' | 'incarnation' | 'group' | 'state' | 'version'>;
}

export function ownRecord({ config, wal, handlers, share, tenures, who }: OwnRecordOptions): Omit<NodeRecord, 'beat'> {
  const full = share.fullTypes((type) => config.entityType(type).deadLettersMax);
  return {
    ...who,
    load: share.depth,
    shards: Object.fromEntries(
      tenures.filter(({ state }) => state !== 'ended').map(({ shard, depth }) => [shard, depth]),
    ),
    types: handlers.entityTypes(),
    ...(full.length > 0 && { full }),
    format: wal.lineFormatMax ?? 1,
    ...((wal.lineFormatMet ?? 1) > 1 && { lineFormat: wal.lineFormatMet }),
  };
}

/** The names of the messages that are handled here, by entity type. */
export function handledTypes(handlers: HandlerTable): Record<string, readonly string[]> {
  return Object.fromEntries(handlers.entityTypes().map((type) => [type, handlers.names(type)]));
}
