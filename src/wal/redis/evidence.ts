/**
 * What shows that a write is on a server: fields of one hash and what they must hold there. Before replicas are asked, the
 * server that has them is (M10): a server that was promoted meanwhile may lack the write, and its replicas prove nothing.
 */
import { createHash } from 'node:crypto';
import type { Offer } from '../wal.js';
import { clusterKeys, type ShardKeys } from './keys.js';
import { toField } from './text.js';

/** How a field's value compares: the same, another or none, at least that number, a text with that SHA-1. */
type Comparison = 'is' | 'not' | 'least' | 'sha1';

export interface Evidence {
  /** A hash. Its slot is the one whose primary is asked. */
  readonly key: string;
  readonly fields: readonly (readonly [field: string, comparison: Comparison, value: string])[];
}

/** That the shard's primary takes writes and its replicas follow; of no write in particular. */
export function noEvidence({ meta }: ShardKeys): Evidence {
  return { key: meta, fields: [] };
}

export function evidenceOfStore(prefix: string, clusterId: string): Evidence {
  return { key: clusterKeys(prefix).meta, fields: [['clusterId', 'is', clusterId]] };
}

export function evidenceOfOpening({ meta }: ShardKeys, epoch: number, incarnation: string): Evidence {
  return { key: meta, fields: ownedBy(epoch, incarnation) };
}

/** Several tries may have had one number: the tag says which of them came through. */
export function evidenceOfCommit(
  { meta }: ShardKeys,
  { epoch, incarnation }: { readonly epoch: number; readonly incarnation: string },
  number: number,
  tag: string,
): Evidence {
  return { key: meta, fields: [...ownedBy(epoch, incarnation), ['number', 'is', String(number)], ['tag', 'is', tag]] };
}

export function evidenceOfRelease({ meta }: ShardKeys, incarnation: string): Evidence {
  return { key: meta, fields: [['incarnation', 'not', incarnation]] };
}

/** The mark of each session: its offers may have been taken in meanwhile, and later ones may be there. */
export function evidenceOfOffers(
  { offered }: ShardKeys,
  offers: readonly Pick<Offer, 'session' | 'number'>[],
): Evidence {
  const marks = new Map<string, number>();
  for (const { session, number } of offers) marks.set(session, Math.max(number, marks.get(session) ?? 0));
  return { key: offered, fields: [...marks].map(([session, mark]) => [toField(session), 'least', String(mark)]) };
}

/** A record as it was read. */
export function evidenceOfRecord(key: string, field: string, text: string): Evidence {
  return { key, fields: [[field, 'sha1', createHash('sha1').update(text).digest('hex')]] };
}

function ownedBy(epoch: number, incarnation: string): Evidence['fields'] {
  return [
    ['epoch', 'is', String(epoch)],
    ['incarnation', 'is', incarnation],
  ];
}
