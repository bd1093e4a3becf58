/**
 * Reads records and tables that were stored as JSON text. Anyone may have written there, also a newer version: unknown
 * fields are left out, and what is not a record gives undefined, so that one bad entry never hides the others.
 */
import type { Assignment, NodeRecord } from './cluster-store.js';

const STATES: readonly NodeRecord['state'][] = ['up', 'sender', 'leaving'];

/** The record stored under this `serverId`; undefined when the text is none. */
export function parseNodeRecord(serverId: string, text: string): NodeRecord | undefined {
  const value = parseObject(text);
  if (value === undefined || serverId === '' || value['serverId'] !== serverId) return undefined;
  const { incarnation, group, beat, load, types, version, format } = value;
  const state = STATES.find((each) => each === value['state']);
  const shards = parseShards(value['shards']);
  if (typeof incarnation !== 'string' || incarnation === '' || typeof group !== 'string' || state === undefined) {
    return undefined;
  }
  if (!isCount(beat) || !isCount(load) || !isCount(format) || typeof version !== 'string') return undefined;
  if (!isTextList(types) || shards === undefined) return undefined;
  const { full, lineFormat } = value;
  const record = { serverId, incarnation, group, beat, state, load, shards, types, version, format };
  return { ...record, ...(isTextList(full) && { full }), ...(isCount(lineFormat) && { lineFormat }) };
}

/** Undefined when the text is no assignment. */
export function parseAssignment(text: string): Assignment | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { term, version, master, nodes } = value;
  if (!isCount(term) || !isCount(version) || typeof master !== 'string' || !isTextList(nodes)) return undefined;
  return { term, version, master, nodes };
}

function parseShards(value: unknown): Record<number, number> | undefined {
  // Lua writes an empty table as a list.
  if (Array.isArray(value) && value.length === 0) return {};
  if (!isObject(value)) return undefined;
  const shards: Record<number, number> = {};
  for (const [key, waiting] of Object.entries(value)) {
    const shard = Number(key);
    if (!isCount(shard) || String(shard) !== key || !isCount(waiting)) return undefined;
    shards[shard] = waiting;
  }
  return shards;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
