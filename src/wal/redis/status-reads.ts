/**
 * Where messages are, by their ids: in line, delayed, in the dead letters, or only their kept verdicts. Many at once cost
 * few scripts, for those who wait for many.
 */
import type { StatusRecord } from '../wal.js';
import { type Evidence, evidenceOfRecord } from './evidence.js';
import { LAYOUTS } from './facts.js';
import { bucketOf, type ShardKeys } from './keys.js';
import { type Held, heldOf, letterHeadOf, numberInId, type Pointer, pointerOf } from './records.js';
import { bucketOfName, toField } from './text.js';

/** Looks at a message that moves while it is looked for. */
const TRIES_MAX = 10;
/** Ids whose verdicts or dead letters one script reads: they may be as long as a reply or a payload (M3). */
const RESTS_AT_ONCE = 16;

/** A status, and with a verdict the record that it was read from. */
export interface FoundStatus {
  readonly status: StatusRecord;
  readonly record?: Evidence | undefined;
}

/** A field of one of the shard's hashes. */
export type FieldRef = readonly [key: string, field: string];
/** Fields as they were in one moment, in the order in which they were asked for. */
export type ReadFields = (fields: readonly FieldRef[]) => Promise<readonly (string | null)[]>;

type Found = FoundStatus | undefined | 'moved';

/** Where the rest of a message stands, and what it is when it stands there. */
interface Rest {
  readonly fields: readonly FieldRef[];
  readonly found: (texts: readonly (string | null)[]) => Found;
}

export class StatusReads {
  constructor(
    private readonly keys: ShardKeys,
    private readonly read: ReadFields,
  ) {}

  /** In the order of the ids. */
  async find(ids: readonly string[], now: number): Promise<readonly (FoundStatus | undefined)[]> {
    const known = new Map<string, FoundStatus | undefined>();
    let looked: readonly string[] = [...new Set(ids)];
    for (let tries = 0; tries < TRIES_MAX && looked.length > 0; tries++) {
      const found = await this.#look(looked, now);
      looked = looked.filter((id, index) => {
        const each = found[index];
        if (each !== 'moved') known.set(id, each);
        return each === 'moved';
      });
    }
    return ids.map((id) => known.get(id));
  }

  async #look(ids: readonly string[], now: number): Promise<readonly Found[]> {
    const { keys } = this;
    const texts = await this.read(
      ids.flatMap((id) => {
        const number = numberInId(id);
        const own = String(number);
        return [
          [keys.ids[bucketOfName(id)] as string, toField(id)],
          [keys.heads[bucketOf(Math.max(0, number))] as string, own],
          [keys.run, own],
        ] as const;
      }),
    );
    const found = ids.map((id, index): Found | Rest => {
      const [pointer, head, running] = texts.slice(index * 3, index * 3 + 3) as (string | null)[];
      const held = isThere(head) ? heldOf(numberInId(id), head, running ?? null) : undefined;
      if (held?.id === id) return { status: pendingStatus(held) };
      return isThere(pointer) ? this.#restOf(id, pointerOf(pointer), now) : undefined;
    });
    const rests = found.filter(isRest);
    if (rests.length === 0) return found as readonly Found[];
    const more: (string | null)[] = [];
    for (let from = 0; from < rests.length; from += RESTS_AT_ONCE) {
      const some = rests.slice(from, from + RESTS_AT_ONCE);
      more.push(...(await this.read(some.flatMap(({ fields }) => fields))));
    }
    let at = 0;
    return found.map((each): Found => {
      if (!isRest(each)) return each;
      at += each.fields.length;
      return each.found(more.slice(at - each.fields.length, at));
    });
  }

  #restOf(id: string, { seq, delayed, letter, verdict }: Pointer, now: number): Rest | undefined {
    const { keys } = this;
    if (seq !== undefined) {
      const own = String(seq);
      const fields: FieldRef[] = [
        [keys.heads[bucketOf(seq)] as string, own],
        [keys.run, own],
      ];
      return { fields, found: ([head, running]) => lineStatus(id, seq, head, running) };
    }
    if (delayed !== undefined) {
      const layout = LAYOUTS.delayed;
      return {
        fields: [[layout.key(keys, delayed), String(delayed)]],
        found: ([text]) => delayedStatus(id, isThere(text) ? layout.decode(text, delayed) : undefined),
      };
    }
    if (letter !== undefined) {
      const own = String(letter);
      const fields: FieldRef[] = [
        [LAYOUTS.letters.key(keys, letter), own],
        [LAYOUTS.corpses.key(keys, letter), own],
      ];
      return { fields, found: ([head, corpse]) => letterStatus(id, fields[0] as FieldRef, letter, head, corpse) };
    }
    if (verdict === undefined) return undefined;
    const field: FieldRef = [LAYOUTS.verdicts.key(keys, verdict), String(verdict)];
    return { fields: [field], found: ([text]) => verdictStatus(id, field, verdict, text, now) };
  }
}

type Text = string | null | undefined;

function isThere(text: Text): text is string {
  return text !== null && text !== undefined;
}

function isRest(found: Found | Rest): found is Rest {
  return typeof found === 'object' && 'fields' in found;
}

function pendingStatus(message: Pick<Held, 'id' | 'state' | 'entityType' | 'entityId' | 'attempt'>): StatusRecord {
  const { id, state, entityType, entityId, attempt } = message;
  return { id, state, entityType, entityId, attempt };
}

function lineStatus(id: string, seq: number, head: Text, running: Text): Found {
  const held = isThere(head) ? heldOf(seq, head, running ?? null) : undefined;
  return held?.id === id ? { status: pendingStatus(held) } : 'moved';
}

function delayedStatus(id: string, message: Parameters<typeof pendingStatus>[0] | undefined): Found {
  return message?.id === id ? { status: pendingStatus(message) } : 'moved';
}

/** Of each record the id is looked at: between two reads a promoted server may have given its number to another message. */
function letterStatus(id: string, [key, field]: FieldRef, letter: number, head: Text, corpse: Text): Found {
  if (!isThere(head) || !isThere(corpse)) return 'moved';
  const { id: found, reason } = letterHeadOf(head);
  if (found !== id) return 'moved';
  const { error, message } = LAYOUTS.corpses.decode(corpse, letter);
  const { entityType, entityId, attempt } = message;
  const verdict = { state: reason, ...(error !== undefined && { error }) };
  return {
    status: { id, state: reason, entityType, entityId, attempt, verdict },
    record: evidenceOfRecord(key, field, head),
  };
}

function verdictStatus(id: string, [key, field]: FieldRef, order: number, text: Text, now: number): Found {
  if (!isThere(text)) return 'moved';
  const { id: found, entityType, entityId, verdict, at } = LAYOUTS.verdicts.decode(text, order);
  if (found !== id) return 'moved';
  if (at <= now) return undefined;
  return {
    status: { id, state: verdict.state, entityType, entityId, attempt: 0, verdict },
    record: evidenceOfRecord(key, field, text),
  };
}
