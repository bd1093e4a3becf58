/**
 * Which part of a snapshot code can be generated for. A name that the library itself would refuse cannot be sent, whatever
 * is generated for it; it is left out and told.
 */
import { entityTypeFault, wireNameFault } from '../../runtime/name-rule.js';
import type { ContractSnapshot, EntityContract, MessageContract } from '../contract-snapshot.js';

export interface LeftOut {
  readonly entityType: string;
  /** Wire name; undefined when the whole type is left out. */
  readonly message?: string | undefined;
  /** A sentence. */
  readonly reason: string;
}

export interface UsableContracts {
  /** Entity types and messages in the order of their names. */
  readonly entities: readonly UsableEntity[];
  readonly leftOut: readonly LeftOut[];
}

export interface UsableEntity {
  readonly entityType: string;
  readonly contract: EntityContract;
  readonly messages: readonly (readonly [name: string, contract: MessageContract])[];
}

/** `only`: entity types to look at; default all. */
export function usableContracts(snapshot: ContractSnapshot, only?: ReadonlySet<string>): UsableContracts {
  const leftOut: LeftOut[] = [];
  const entities: UsableEntity[] = [];
  for (const [entityType, contract] of byName(snapshot.entities)) {
    if (only !== undefined && !only.has(entityType)) continue;
    const fault = entityTypeFault(entityType);
    if (fault !== undefined) {
      leftOut.push({ entityType, reason: `An entity type is ${fault}.` });
      continue;
    }
    const messages = byName(contract.messages).filter(([message]) => {
      const nameFault = wireNameFault(message);
      if (nameFault !== undefined) leftOut.push({ entityType, message, reason: `A message name is ${nameFault}.` });
      return nameFault === undefined;
    });
    entities.push({ entityType, contract, messages });
  }
  return { entities, leftOut };
}

function byName<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([left], [right]) => (left < right ? -1 : 1));
}
