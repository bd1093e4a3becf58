/**
 * What several processes say of themselves, made into one picture. Pure.
 *
 * A service is all processes with one `serviceName`. Its processes may differ while a new version is rolled out: the
 * newest one speaks for the service then, and a warning tells what differs. Different services that own one entity type
 * must say the same of it: what they say differently is a conflict, and the service that has been there longest is the
 * one that the snapshot believes. A service without a schema for a message contradicts nobody.
 */
import {
  CONTRACT_SNAPSHOT_FORMAT,
  type ContractSnapshot,
  type EntityContract,
  type MessageContract,
  type ServiceRecord,
} from './contract-snapshot.js';
import { printable } from './printable.js';
import { schemaDifference } from './schema-difference.js';

export interface ContractConflict {
  readonly entityType: string;
  /** Wire name; undefined when the whole type is meant. */
  readonly message?: string | undefined;
  readonly what: 'group' | 'kind' | 'schema' | 'replySchema';
  /** The one that the snapshot believes, and the other one. */
  readonly services: readonly [string, string];
  /** What differs, in words: `/properties/amount/type: "number" and "string"`. */
  readonly difference: string;
}

export interface ContractWarning {
  /** The service that it is about, as far as it is known. */
  readonly service: string;
  readonly entityType?: string | undefined;
  readonly message?: string | undefined;
  /** A sentence without its full stop. */
  readonly reason: string;
}

export interface MergedContracts {
  readonly snapshot: ContractSnapshot;
  readonly conflicts: readonly ContractConflict[];
  readonly warnings: readonly ContractWarning[];
}

type PublishedEntity = ServiceRecord['entities'][string];

/** What one service says of one entity type. */
interface Claim {
  readonly service: string;
  readonly group: string;
  /** When the service's oldest and newest process started. */
  readonly since: number;
  readonly entity: PublishedEntity;
}

/** The order of the records does not matter. */
export function mergeRecords(records: Iterable<ServiceRecord>): MergedContracts {
  const services = new Map<string, ServiceRecord[]>();
  for (const record of records) {
    const lives = services.get(record.serviceName);
    if (lives === undefined) services.set(record.serviceName, [record]);
    else lives.push(record);
  }
  const warnings: ContractWarning[] = [];
  const claims = new Map<string, Claim[]>();
  for (const [service, lives] of services) {
    const newestFirst = [...lives].sort((a, b) => startOf(b) - startOf(a) || order(b.incarnation, a.incarnation));
    const since = Math.min(...lives.map(startOf));
    const types = new Set(newestFirst.flatMap(({ entities }) => Object.keys(entities)));
    for (const type of types) {
      const told = newestFirst.filter(({ entities }) => Object.hasOwn(entities, type));
      const { entity, group } = oneService(service, type, told, warnings);
      const all = claims.get(type) ?? [];
      claims.set(type, [...all, { service, group, since, entity }]);
    }
  }
  const conflicts: ContractConflict[] = [];
  const entities = sortedEntries(claims).map(([type, each]) => {
    const oldestFirst = [...each].sort((a, b) => a.since - b.since || order(a.service, b.service));
    return [type, oneType(type, oldestFirst, conflicts, warnings)] as const;
  });
  return {
    snapshot: { format: CONTRACT_SNAPSHOT_FORMAT, entities: Object.fromEntries(entities) },
    conflicts,
    warnings,
  };
}

/** One service's processes: the newest one that knows a message speaks for it. */
function oneService(
  service: string,
  type: string,
  newestFirst: readonly ServiceRecord[],
  warnings: ContractWarning[],
): { readonly entity: PublishedEntity; readonly group: string } {
  const messages = new Map<string, MessageContract>();
  let newest: PublishedEntity | undefined;
  let takesAnyName = false;
  let group = '';
  for (const record of newestFirst) {
    const entity = record.entities[type] as PublishedEntity;
    if (newest === undefined) {
      newest = entity;
      group = record.group;
    } else if (record.group !== group) {
      warnings.push({
        service,
        entityType: type,
        reason: `its processes are of the groups "${group}" and "${record.group}"`,
      });
    }
    takesAnyName ||= entity.takesAnyName === true;
    for (const [name, message] of Object.entries(entity.messages)) {
      const spoken = messages.get(name);
      if (spoken === undefined) {
        messages.set(name, message);
        continue;
      }
      for (const { what, difference } of messageDifferences(spoken, message)) {
        warnings.push({
          service,
          entityType: type,
          message: name,
          reason: `a newer and an older process say different things of its ${what} (${difference}); the newer one counts`,
        });
      }
    }
  }
  const { defaultEntityId } = newest ?? {};
  return {
    group,
    entity: {
      messages: Object.fromEntries(messages),
      ...(takesAnyName && { takesAnyName }),
      ...(defaultEntityId !== undefined && { defaultEntityId }),
    },
  };
}

function oneType(
  entityType: string,
  [first, ...others]: readonly Claim[],
  conflicts: ContractConflict[],
  warnings: ContractWarning[],
): EntityContract {
  if (first === undefined) throw new Error('unreachable: a type is only there because somebody claims it');
  const spokenBy = new Map(
    Object.entries(first.entity.messages).map(([name, message]) => [name, { service: first.service, message }]),
  );
  for (const { service, group, entity } of others) {
    if (group !== first.group) {
      const difference = `group "${first.group}" and group "${group}"`;
      conflicts.push({ entityType, what: 'group', services: [first.service, service], difference });
    }
    for (const [name, message] of Object.entries(entity.messages)) {
      const spoken = spokenBy.get(name);
      if (spoken === undefined) {
        spokenBy.set(name, { service, message });
        continue;
      }
      for (const { what, difference } of messageDifferences(spoken.message, message)) {
        conflicts.push({ entityType, message: name, what, services: [spoken.service, service], difference });
      }
      // Who tells more of a message fills in what the other one leaves open.
      spokenBy.set(name, { service: spoken.service, message: { ...message, ...defined(spoken.message) } });
    }
    if (entity.defaultEntityId !== first.entity.defaultEntityId) {
      warnings.push({
        service,
        entityType,
        reason: printable(
          `its defaultEntityId is ${shown(entity.defaultEntityId)}, and that of ${first.service} is ${shown(first.entity.defaultEntityId)}`,
        ),
      });
    }
  }
  const claims = [first, ...others];
  const { defaultEntityId } = first.entity;
  return {
    group: first.group,
    services: claims.map(({ service }) => service).sort(order),
    messages: Object.fromEntries(sortedEntries(spokenBy).map(([name, { message }]) => [name, message])),
    ...(claims.some(({ entity }) => entity.takesAnyName === true) && { takesAnyName: true }),
    ...(defaultEntityId !== undefined && { defaultEntityId }),
  };
}

interface MessageDifference {
  readonly what: 'kind' | 'schema' | 'replySchema';
  readonly difference: string;
}

/** What two owners of a message say differently. A schema that is missing on one side contradicts nothing. */
export function messageDifferences(one: MessageContract, other: MessageContract): MessageDifference[] {
  const found: MessageDifference[] = [];
  if (one.kind !== other.kind) found.push({ what: 'kind', difference: `${one.kind} and ${other.kind}` });
  for (const what of ['schema', 'replySchema'] as const) {
    const [left, right] = [one[what], other[what]];
    if (left === undefined || right === undefined) continue;
    const difference = schemaDifference(left, right);
    if (difference !== undefined) found.push({ what, difference });
  }
  return found;
}

function defined(message: MessageContract): MessageContract {
  const entries = Object.entries(message).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as MessageContract;
}

function startOf({ startedAt }: ServiceRecord): number {
  return startedAt ?? 0;
}

function sortedEntries<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([a], [b]) => order(a, b));
}

/** By code unit, so that the result is the same whatever the machine's language. */
function order(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

function shown(name: string | undefined): string {
  return name === undefined ? 'not set' : `"${name}"`;
}
