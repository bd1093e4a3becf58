/** Shards, nodes and quarantined offers of a shared store: read, as text and as JSON. */

import type { ClusterView, NodeRecord } from '../cluster/cluster-store.js';
import { OPENINGS_TRUSTED } from '../cluster/opening-guard.js';
import { ownEntry } from '../runtime/own-entry.js';
import type { QuarantinedOffer, SignOfLife } from '../wal/shared-wal.js';
import type { ShardCounts } from '../wal/transition.js';
import { eachShard, type SharedStore } from './command-store.js';
import { iso, printable, short, table, when } from './letter-view.js';

export interface ShardRow {
  readonly shard: number;
  readonly group: string;
  readonly slice: number;
  readonly sign: SignOfLife;
  readonly counts: ShardCounts;
  /** Offers in quarantine. */
  readonly quarantined: number;
}

export interface Overview {
  readonly slices: number;
  readonly rows: readonly ShardRow[];
}

/** More are not kept of a shard. */
const QUARANTINE_MAX = 1_000;
const TEXT_CHARACTERS = 60;

export async function readOverview(store: SharedStore, shards: readonly number[]): Promise<Overview> {
  const { wal, slices } = store;
  const { bindings } = await store.view();
  const signs = await wal.signs(shards);
  const rows = await eachShard([...shards.keys()], async (index): Promise<ShardRow> => {
    const shard = shards[index] as number;
    const [counts, quarantined] = await Promise.all([wal.counts(shard), wal.quarantine(shard, QUARANTINE_MAX)]);
    const group = bindings.find((each) => each.index === Math.floor(shard / slices))?.group ?? '';
    const sign = signs[index] ?? { epoch: 0, incarnation: undefined, node: '', beat: 0 };
    return { shard, group, slice: shard % slices, sign, counts, quarantined: quarantined.length };
  });
  return { slices, rows };
}

export function overviewJson({ slices, rows }: Overview): Record<string, unknown> {
  return {
    slices,
    shards: rows.map(({ shard, group, slice, sign, counts, quarantined }) => ({
      shard,
      group,
      slice,
      ...(sign.incarnation !== undefined && { owner: { node: sign.node, incarnation: sign.incarnation } }),
      epoch: sign.epoch,
      beat: sign.beat,
      pending: counts.pending,
      accepted: counts.accepted,
      deadLetters: counts.deadLetters,
      quarantined,
    })),
  };
}

export function overviewText({ slices, rows }: Overview, colour: boolean): string {
  if (rows.length === 0) return 'No node has been in this store yet: there are no shards.';
  const cells = rows.map(({ shard, group, slice, sign, counts, quarantined }) => [
    String(shard),
    printable(group),
    `${slice} of ${slices}`,
    sign.incarnation === undefined ? 'nobody' : printable(sign.node || sign.incarnation),
    String(sign.epoch),
    String(counts.pending),
    String(counts.deadLetters),
    String(quarantined),
  ]);
  return table(['shard', 'group', 'slice', 'owner', 'epoch', 'pending', 'letters', 'quarantined'], cells, colour);
}

/** What is known of a node: its record, and whether its heartbeat moved while the command watched. */
export interface NodeRow {
  readonly record: NodeRecord;
  readonly alive: boolean;
}

export function nodesJson(
  { bindings, assignments, lineFormat }: ClusterView,
  nodes: readonly NodeRow[],
): Record<string, unknown> {
  return {
    lineFormat,
    nodes: nodes.map(({ record, alive }) => ({ ...record, alive })),
    groups: bindings.map(({ group, index, types }) => ({
      group,
      index,
      types,
      ...(Object.hasOwn(assignments, group) && { assignment: assignments[group] }),
    })),
  };
}

export function nodesText(
  { bindings, assignments, lineFormat }: ClusterView,
  nodes: readonly NodeRow[],
  colour: boolean,
): string {
  const masters = new Set(Object.values(assignments).map(({ master }) => master));
  const rows = nodes.map(({ record, alive }) => [
    printable(record.serverId),
    printable(record.group),
    `${record.state}${masters.has(record.serverId) ? ', master' : ''}`,
    alive ? 'yes' : 'no',
    String(Object.keys(record.shards).length),
    String(record.load),
    printable(record.version),
    String(record.format),
  ]);
  const found =
    rows.length === 0
      ? 'No nodes.'
      : table(['node', 'group', 'state', 'alive', 'shards', 'waiting', 'version', 'lines up to'], rows, colour);
  const shown = `${found}\nLines are written in format ${lineFormat}.`;
  const groups = bindings.map(({ group, index, types }) => {
    const assignment = ownEntry(assignments, group);
    return [
      printable(group),
      String(index),
      short(Object.keys(types).join(', '), TEXT_CHARACTERS),
      printable(assignment?.master ?? ''),
      assignment === undefined ? '' : `${assignment.term}.${assignment.version}`,
      assignment === undefined ? '' : short(assignmentText(assignment.nodes), TEXT_CHARACTERS),
    ];
  });
  if (groups.length === 0) return shown;
  return `${shown}\n${table(['group', 'index', 'entity types', 'master', 'term', 'slices of nodes'], groups, colour)}`;
}

/** e.g. `node-1: 0 3 4, node-2: 1 2`. */
function assignmentText(nodes: readonly string[]): string {
  const slices = new Map<string, number[]>();
  for (const [slice, node] of nodes.entries()) slices.set(node, [...(slices.get(node) ?? []), slice]);
  return [...slices].map(([node, each]) => `${node === '' ? 'nobody' : node}: ${each.join(' ')}`).join(', ');
}

export interface QuarantineRow extends QuarantinedOffer {
  readonly shard: number;
}

/** A shard that nodes hold back because none survived opening it (M13). */
export interface HeldBackRow {
  readonly shard: number;
  readonly openings: number;
}

export function heldBackRows(shards: readonly number[], signs: readonly SignOfLife[]): readonly HeldBackRow[] {
  return shards
    .map((shard, index) => ({ shard, openings: signs[index]?.openings ?? 0 }))
    .filter(({ openings }) => openings >= OPENINGS_TRUSTED);
}

export function quarantineJson(
  rows: readonly QuarantineRow[],
  heldBack: readonly HeldBackRow[],
): Record<string, unknown> {
  return { heldBack, offers: rows.map(({ shard, at, reason, text }) => ({ shard, at: iso(at), reason, text })) };
}

export function quarantineText(
  rows: readonly QuarantineRow[],
  heldBack: readonly HeldBackRow[],
  colour: boolean,
): string {
  const held = heldBack.map(
    ({ shard, openings }) =>
      `Shard ${shard} is held back: ${openings} openings in a row without a survivor. Look for what kills its nodes, then: quarantine --reopen ${shard}`,
  );
  return [...held, offersText(rows, colour)].join('\n');
}

function offersText(rows: readonly QuarantineRow[], colour: boolean): string {
  if (rows.length === 0) return 'Nothing is in quarantine.';
  const cells = rows.map(({ shard, at, reason, text }) => [
    String(shard),
    when(at),
    short(reason, TEXT_CHARACTERS),
    short(text, TEXT_CHARACTERS),
  ]);
  return table(['shard', 'since', 'reason', 'offer'], cells, colour);
}
