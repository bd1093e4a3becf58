/**
 * The cluster store on a Redis or Valkey server: four hashes in one slot and one script per call, so a heartbeat is one
 * round trip. What stands there may have been written by anyone: entries that are no records are skipped and counted.
 *
 * The client is the caller's: it is connected before `start` and closed after `stop`, and it gives up a command that is
 * not answered in time. Nothing is sent twice here, except that each call may be repeated by the caller: all of them are
 * idempotent but `assign`, whose lost answer looks like a refusal when it is repeated.
 */

import { createHash } from 'node:crypto';
import { redisError } from '../../../wal/redis/errors.js';
import { clusterKeys } from '../../../wal/redis/keys.js';
import { type RedisClient, runScript, type Script } from '../../../wal/redis/scripts.js';
import { StoreUnavailableError } from '../../../wal/wal.js';
import { parseAssignment, parseNodeRecord } from '../../cluster-records.js';
import {
  type Assignment,
  BindingConflictError,
  type ClusterStore,
  type ClusterView,
  type GroupBinding,
  type LineFormatRaise,
  type NodeRecord,
  type Rejection,
} from '../../cluster-store.js';
import { ASSIGN, BIND } from './lua/groups.js';
import { RAISE_LINE_FORMAT } from './lua/line-format.js';
import { BEAT, LEAVE, PREPARE, VIEW } from './lua/nodes.js';

export interface RedisClusterStoreOptions {
  /** A ready ioredis client that is not in subscriber mode. */
  readonly client: RedisClient;
  /** Default `aq`. */
  readonly keyPrefix?: string | undefined;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

const scripts = {
  prepare: script(PREPARE),
  bind: script(BIND),
  beat: script(BEAT),
  view: script(VIEW),
  leave: script(LEAVE),
  assign: script(ASSIGN),
  raiseLineFormat: script(RAISE_LINE_FORMAT),
};

/** The bindings as they were read last, and the text by which the server tells whether they changed. */
interface KnownBindings {
  readonly token: string;
  readonly bindings: readonly GroupBinding[];
  readonly skipped: number;
}

const UNKNOWN_BINDINGS: KnownBindings = { token: '', bindings: [], skipped: 0 };

export class RedisClusterStore implements ClusterStore {
  private readonly client: RedisClient;
  private readonly nodesKey: string;
  private readonly groupsKey: string;
  private readonly assignmentsKey: string;
  private readonly metaKey: string;
  private isStarted = false;
  private known = UNKNOWN_BINDINGS;
  private skippedEntries = 0;

  constructor(options: RedisClusterStoreOptions) {
    this.client = options.client;
    const keys = clusterKeys(options.keyPrefix);
    this.nodesKey = keys.nodes;
    this.groupsKey = keys.groups;
    this.assignmentsKey = keys.assignments;
    this.metaKey = keys.meta;
  }

  /** Entries that the last read could not use: written by a stranger or damaged. */
  get skipped(): number {
    return this.skippedEntries;
  }

  async start(): Promise<void> {
    if (this.isStarted) return;
    this.isStarted = true;
    try {
      await this.run(scripts.prepare, [this.nodesKey, this.groupsKey, this.assignmentsKey], []);
    } catch (error) {
      this.isStarted = false;
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.isStarted = false;
    this.known = UNKNOWN_BINDINGS;
  }

  async bind(group: string, types: Readonly<Record<string, readonly string[]>>): Promise<number> {
    const entries = Object.entries(types);
    const names = entries.flatMap(([type, each]) => each.map((name) => `${type}\n${name}`));
    const args = [group, String(entries.length), ...Object.keys(types), ...names];
    const answer = listOf(await this.run(scripts.bind, [this.groupsKey], args));
    if (answer[0] === 1) throw new BindingConflictError(String(answer[1]), group, String(answer[2]));
    return Number(answer[1]);
  }

  async beat(
    record: NodeRecord,
    replaces?: Pick<NodeRecord, 'incarnation' | 'beat'>,
  ): Promise<ClusterView & Rejection> {
    const { known } = this;
    const answer = await this.run(scripts.beat, this.allKeys(), [
      record.serverId,
      record.incarnation,
      JSON.stringify(record),
      replaces?.incarnation ?? '',
      replaces === undefined ? '' : String(replaces.beat),
      known.token,
      String(record.format),
    ]);
    return this.read(answer, known);
  }

  async view(): Promise<ClusterView> {
    const { known } = this;
    const { rejected: _, ...view } = this.read(await this.run(scripts.view, this.allKeys(), [known.token]), known);
    return view;
  }

  async leave(serverId: string, incarnation: string, beat?: number): Promise<void> {
    await this.run(scripts.leave, [this.nodesKey], [serverId, incarnation, beat === undefined ? '' : String(beat)]);
  }

  async assign(group: string, assignment: Assignment): Promise<boolean> {
    const { term, version, master } = assignment;
    const args = [group, String(term), String(version), master, JSON.stringify(assignment)];
    return (await this.run(scripts.assign, [this.assignmentsKey], args)) === 1;
  }

  async raiseLineFormat(group: string, { term, master, lineFormat }: LineFormatRaise): Promise<boolean> {
    const keys = [this.nodesKey, this.assignmentsKey, this.metaKey];
    return (await this.run(scripts.raiseLineFormat, keys, [group, String(term), master, String(lineFormat)])) === 1;
  }

  private allKeys(): readonly string[] {
    return [this.nodesKey, this.groupsKey, this.assignmentsKey, this.metaKey];
  }

  private async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    if (!this.isStarted) throw new StoreUnavailableError('The cluster store is not started.', 'no', false);
    try {
      return await runScript(this.client, script, keys, args);
    } catch (error) {
      throw redisError(error, script !== scripts.view);
    }
  }

  /** `known`: what the call told the server that it has. Another call may have read newer bindings since. */
  private read(answer: unknown, known: KnownBindings): ClusterView & Rejection {
    const [rejected, token, nodeTexts, assignmentTexts, bindingTexts, lineFormat] = listOf(answer);
    let skipped = 0;
    const nodes: NodeRecord[] = [];
    for (const [serverId, text] of fieldsOf(nodeTexts)) {
      const record = parseNodeRecord(serverId, text);
      if (record === undefined) skipped += 1;
      else nodes.push(record);
    }
    const assignments = new Map<string, Assignment>();
    for (const [group, text] of fieldsOf(assignmentTexts)) {
      const assignment = parseAssignment(text);
      if (assignment === undefined) skipped += 1;
      else assignments.set(group, assignment);
    }
    const fields = fieldsOf(bindingTexts);
    const isKnown = fields.length === 0 && token === known.token;
    const bound = isKnown ? known : bindingsOf(String(token), fields);
    this.known = bound;
    this.skippedEntries = skipped + bound.skipped;
    return {
      nodes: nodes.sort((a, b) => (a.serverId < b.serverId ? -1 : 1)),
      bindings: bound.bindings,
      assignments: Object.fromEntries(assignments),
      lineFormat: Number(lineFormat ?? 1),
      rejected: rejected === 1,
    };
  }
}

function bindingsOf(token: string, fields: readonly (readonly [string, string])[]): KnownBindings {
  let skipped = 0;
  const groups: { readonly group: string; readonly index: number; readonly types: Map<string, string[]> }[] = [];
  const namesOfType = new Map<string, string[]>();
  for (const [field, value] of fields) {
    if (!field.startsWith('g:')) continue;
    if (/^\d{1,9}$/.test(value)) groups.push({ group: field.slice(2), index: Number(value), types: new Map() });
    else skipped += 1;
  }
  for (const [field, value] of fields) {
    if (!field.startsWith('t:')) continue;
    const type = field.slice(2);
    const names: string[] = [];
    namesOfType.set(type, names);
    const owner = groups.find(({ group }) => group === value);
    if (owner === undefined) skipped += 1;
    else owner.types.set(type, names);
  }
  for (const [field] of fields) {
    if (!field.startsWith('n:')) continue;
    const border = field.indexOf('\n');
    const names = border === -1 ? undefined : namesOfType.get(field.slice(2, border));
    if (names === undefined) skipped += 1;
    else names.push(field.slice(border + 1));
  }
  for (const names of namesOfType.values()) names.sort();
  const bindings = groups
    .sort((a, b) => a.index - b.index)
    .map(({ group, index, types }) => ({
      group,
      index,
      types: Object.fromEntries([...types].sort(([a], [b]) => (a < b ? -1 : 1))),
    }));
  return { token, bindings, skipped };
}

function listOf(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : [];
}

/** The pairs of an HGETALL inside a script, without the sentinel. */
function fieldsOf(answer: unknown): readonly (readonly [string, string])[] {
  const flat = listOf(answer);
  const fields: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    if (flat[at] !== '') fields.push([String(flat[at]), String(flat[at + 1])]);
  }
  return fields;
}
