/**
 * Gives a store another number of slices, offline. Everything is copied beside what is there; only when the copy is whole
 * does it take the old one's place, shard by shard, and what is left of the old layout goes last. Killed at any point and
 * run again, it goes on: a copy that was not whole is made anew, and a switch that was begun is ended.
 *
 * Its journal, one hash on the server, says how far it is. As long as it is there, the store's format has another name, so
 * that no node starts. Nodes that live, and owners that give signs of life, make it refuse.
 */

import { createHash } from 'node:crypto';
import { ShardHeldError, type SignOfLife } from '../shared-wal.js';
import { redisError } from './errors.js';
import { FORMAT_VERSION } from './identity.js';
import { clusterKeys, type ShardKeys, shardKeys, shardKeysByKind } from './keys.js';
import { LINE_FORMAT_MIN, lineFormatOf } from './line-format.js';
import { CLOSE_STORE, OPEN_STORE, SWITCH_SHARD } from './lua/reshard.js';
import { numbersOf } from './numbers.js';
import { quarantineText } from './offers.js';
import { SIGN_FIELDS, signOf } from './reads.js';
import { copyGroup } from './reshard-copy.js';
import { Gathering } from './reshard-gathering.js';
import { type Journal, journalFields, readJournal } from './reshard-journal.js';
import { journalKey, stagedShardKeys } from './reshard-keys.js';
import {
  type ReshardOptions,
  type ReshardProgress,
  ReshardRefusedError,
  type ReshardReport,
} from './reshard-options.js';
import { type RedisClient, runScript, type Script } from './scripts.js';
import { StagedShard } from './staged-shard.js';
import { withToolLock } from './tool-lock.js';

interface Totals {
  readonly pending: number;
  readonly deadLetters: number;
  readonly verdicts: number;
}

const OWNER_PREFIX = 'reshard-';
/** The lock of a reshard that was killed ends before that. */
const LOCK_TIMEOUT_MS = 10_000;
const CLOSED_FORMAT = `${FORMAT_VERSION}, being resharded: run atomic-queues reshard again to its end`;
const LATE = 'offered while the store was being resharded';

const scripts = { close: script(CLOSE_STORE), open: script(OPEN_STORE), switch: script(SWITCH_SHARD) };

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** @throws ReshardRefusedError, ToolLockedError, StoreUnavailableError */
export async function reshard(options: ReshardOptions): Promise<ReshardReport> {
  const { client, keyPrefix, runtime } = options;
  try {
    return await withToolLock({ client, keyPrefix, runtime, timeoutMs: LOCK_TIMEOUT_MS }, () =>
      new Reshard(options).run(),
    );
  } catch (error) {
    throw error instanceof Error && error.name === 'ReplyError' ? redisError(error, true) : error;
  }
}

class Reshard {
  private readonly client: RedisClient;
  private readonly cluster;
  private readonly journalKey: string;

  constructor(private readonly options: ReshardOptions) {
    this.client = options.client;
    this.cluster = clusterKeys(options.keyPrefix);
    this.journalKey = journalKey(options.keyPrefix);
  }

  async run(): Promise<ReshardReport> {
    const { slices: to, groups, dryRun = false } = this.options;
    const found = await readJournal(this.client, this.journalKey);
    if (this.options.abandon === true) return this.abandon(found);
    if (found !== undefined && found.to !== to) {
      throw new ReshardRefusedError(
        `A reshard from ${found.from} to ${found.to} shards was interrupted. Bring it to its end first: --shards ${found.to}.`,
      );
    }
    const from = found?.from ?? Number(await this.client.hget(this.cluster.meta, 'slices'));
    const about = { from, to, groups: found?.groups ?? groups, resumed: found !== undefined, dryRun };
    if (found === undefined && from === to) return { ...about, ...(await this.totals(from * groups)), lateOffers: 0 };
    if (dryRun) return { ...about, ...(await this.totals(from * about.groups)), lateOffers: 0 };
    let journal = found;
    if (journal === undefined || journal.phase === 'gather') {
      const signs = await this.watch(range(from * about.groups));
      journal = await this.gather(journal ?? (await this.begin(from, signs)), signs);
    }
    if (journal.phase === 'copy') {
      try {
        journal = await this.copy(journal);
      } catch (error) {
        // The server refused, e.g. because its memory is full: then the application may go on with what it had.
        if (error instanceof Error && error.name === 'ReplyError') await this.undo(journal);
        throw error;
      }
    }
    const lateOffers = await this.switch(journal);
    return { ...about, ...(await this.totals(to * journal.groups)), lateOffers };
  }

  /** Notes which groups have shards that were not released. */
  private async begin(from: number, signs: readonly SignOfLife[]): Promise<Journal> {
    const { groups, slices: to } = this.options;
    const unclean = new Set<number>();
    for (const [shard, { incarnation }] of signs.entries())
      if (incarnation !== undefined) unclean.add(Math.floor(shard / from));
    const journal: Journal = { phase: 'gather', from, to, groups, unclean: [...unclean], closed: false };
    await this.step('journal');
    await this.client.hset(this.journalKey, journalFields(journal));
    return journal;
  }

  /** Becomes the owner of every shard and takes in what lies in the inboxes; then nobody else may start. */
  private async gather(journal: Journal, signs: readonly SignOfLife[]): Promise<Journal> {
    const incarnation = `${OWNER_PREFIX}${this.options.runtime.freshId()}`;
    const wal = await this.options.openWal();
    try {
      const gathering = new Gathering({ wal, client: this.client, keyPrefix: this.options.keyPrefix, incarnation });
      for (const [shard, sign] of signs.entries()) {
        await this.step(`gather ${shard}`);
        this.tell('gather', shard, signs.length);
        await gathering.own(shard, sign);
      }
      await this.step('relay');
      await gathering.settle();
    } catch (error) {
      if (!(error instanceof ShardHeldError)) throw error;
      // What was taken in is in line, and a shard that nobody releases is opened after a lease.
      await this.client.del(this.journalKey);
      throw new ReshardRefusedError(`${error.message} Stop all nodes, then run this again.`);
    } finally {
      await wal.stop();
    }
    const next: Journal = { ...journal, phase: 'copy', closed: true };
    await this.step('close');
    const fields = Object.entries(journalFields(next)).flat();
    await runScript(this.client, scripts.close, [this.cluster.meta, this.journalKey], [CLOSED_FORMAT, ...fields]);
    return next;
  }

  /** Makes the new layout beside the old one. */
  private async copy(journal: Journal): Promise<Journal> {
    const { from, to, groups, unclean } = journal;
    const { keyPrefix } = this.options;
    // A node may have come before the store was closed.
    await this.step('watch again');
    await this.checkAlone(journal, await this.options.watchNodes());
    // Another try may have been killed in the middle of its copy.
    for (const shard of range(to * groups)) await this.remove(stagedShardKeys(keyPrefix, shard));
    const before = await this.totals(from * groups);
    const total = before.pending + before.deadLetters + before.verdicts;
    const meta = await this.nextMeta(from * groups);
    let done = 0;
    const after = { pending: 0, deadLetters: 0, verdicts: 0 };
    for (const group of range(groups)) {
      await this.step(`copy ${group}`);
      const targets = range(to).map((slice) => {
        const shard = group * to + slice;
        return new StagedShard(shard, stagedShardKeys(keyPrefix, shard), this.client);
      });
      await copyGroup({
        client: this.client,
        sources: range(from).map((slice) => shardKeys(keyPrefix, group * from + slice)),
        targets,
        copied: (count) => {
          done += count;
          this.tell('copy', done, total);
        },
      });
      const incarnation = unclean.includes(group) ? `${OWNER_PREFIX}unclean` : '';
      for (const target of targets) {
        await this.step(`finish ${target.shard}`);
        await target.finish({ ...meta, incarnation });
        after.pending += target.numbers.inLine + target.numbers.delayed;
        after.deadLetters += target.numbers.letters;
        after.verdicts += target.numbers.verdicts;
      }
    }
    if (
      after.pending !== before.pending ||
      after.deadLetters !== before.deadLetters ||
      after.verdicts !== before.verdicts
    ) {
      throw new Error(
        `The copy is not whole: ${JSON.stringify(after)} of ${JSON.stringify(before)}. Nothing was changed; the old layout is as it was.`,
      );
    }
    await this.checkAlone(journal, []);
    await this.step('copied');
    await this.client.hset(this.journalKey, 'phase', 'switch');
    return { ...journal, phase: 'switch' };
  }

  /** Puts the new layout in the place of the old one. Returns how many offers came too late. */
  private async switch({ from, to, groups }: Journal): Promise<number> {
    const { keyPrefix } = this.options;
    const count = to * groups;
    let late = 0;
    for (const shard of range(count)) {
      await this.step(`switch ${shard}`);
      this.tell('switch', shard, count);
      const keys = shardKeys(keyPrefix, shard);
      const staged = stagedShardKeys(keyPrefix, shard);
      const places = keysOf(keys);
      const pairs = keysOf(staged).flatMap((key, index) => [key, places[index] as string]);
      const args = [LATE, String(this.options.runtime.clock.now())];
      const moved = await runScript(
        this.client,
        scripts.switch,
        [staged.meta, keys.inbox, staged.quarantine, ...pairs],
        args,
      );
      late += Math.max(0, Number(moved));
    }
    // The old layout's last shards, whose numbers the new one does not have.
    for (const shard of range(from * groups).slice(count)) {
      await this.step(`remove ${shard}`);
      late += await this.removeOld(shard, Math.floor(shard / from) * to);
    }
    await this.step('open');
    await this.open(to, true);
    return late;
  }

  private async removeOld(shard: number, heir: number): Promise<number> {
    const { keyPrefix, runtime } = this.options;
    const keys = shardKeys(keyPrefix, shard);
    const late = (await this.client.lrange(keys.inbox, 0, -1)).filter((text) => text !== '');
    const quarantine = shardKeys(keyPrefix, heir).quarantine;
    if (late.length > 0) {
      if ((await this.client.exists(quarantine)) === 0) await this.client.rpush(quarantine, '');
      for (const text of late) await this.client.rpush(quarantine, quarantineText(text, LATE, runtime.clock.now()));
    }
    await this.remove(keys);
    return late.length;
  }

  private async remove(keys: ShardKeys): Promise<void> {
    await this.client.unlink(...keysOf(keys));
  }

  /** Watches nodes and owners for a while. @throws ReshardRefusedError when one of them lives. */
  private async watch(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    await this.step('watch');
    this.tell('watch', 0, 1);
    const before = await this.signs(shards);
    const alive = await this.options.watchNodes();
    if (alive.length > 0) {
      throw new ReshardRefusedError(`${aliveText(alive)} Stop all nodes, then run this again.`);
    }
    const after = await this.signs(shards);
    const moved = after.find((sign, index) => sign.epoch !== before[index]?.epoch || sign.beat !== before[index]?.beat);
    if (moved === undefined) return after;
    throw new ReshardRefusedError(
      `A shard has an owner that is alive: node "${moved.node}". Stop all nodes, then run this again.`,
    );
  }

  /** Goes on only if no node is there and the reshard, or nobody, owns everything. Otherwise the old layout is opened again. */
  private async checkAlone(journal: Journal, alive: readonly string[]): Promise<void> {
    const { from, groups } = journal;
    let why = alive.length > 0 ? aliveText(alive) : undefined;
    for (const [shard, { incarnation, node }] of (await this.signs(range(from * groups))).entries()) {
      if (incarnation === undefined || incarnation.startsWith(OWNER_PREFIX)) continue;
      why ??= `Shard ${shard} was opened by node "${node}" meanwhile.`;
    }
    if (why === undefined) return;
    await this.undo(journal);
    throw new ReshardRefusedError(`${why} Stop all nodes, then run this again.`);
  }

  private async abandon(found: Journal | undefined): Promise<ReshardReport> {
    if (found === undefined) throw new ReshardRefusedError('No reshard of this store was interrupted.');
    const { phase, from, to, groups } = found;
    if (phase === 'switch') {
      throw new ReshardRefusedError(
        `The new layout has begun to take the old one's place. Bring it to its end: --shards ${to}.`,
      );
    }
    await this.undo(found);
    return {
      from,
      to: from,
      groups,
      ...(await this.totals(from * groups)),
      lateOffers: 0,
      resumed: true,
      dryRun: false,
    };
  }

  /** Removes the copy; the old layout was not touched. */
  private async undo({ from, to, groups }: Journal): Promise<void> {
    for (const shard of range(to * groups)) await this.remove(stagedShardKeys(this.options.keyPrefix, shard));
    await this.open(from, false);
  }

  /** Lets nodes start again. */
  private async open(slices: number, isNew: boolean): Promise<void> {
    const keys = [this.cluster.meta, this.cluster.assignments, this.journalKey];
    await runScript(this.client, scripts.open, keys, [String(slices), String(FORMAT_VERSION), isNew ? '1' : '0']);
  }

  /** Epochs and signs of life go on growing in every shard, whatever its number meant before (I6). */
  private async nextMeta(shards: number): Promise<{ epoch: number; beat: number; format: string }> {
    const signs = await this.signs(range(shards));
    const formats = await Promise.all(
      range(shards).map((shard) => this.client.hget(shardKeys(this.options.keyPrefix, shard).meta, 'format')),
    );
    return {
      epoch: Math.max(0, ...signs.map(({ epoch }) => epoch)) + 1,
      beat: Math.max(0, ...signs.map(({ beat }) => beat)) + 1,
      format: String(Math.max(LINE_FORMAT_MIN, ...formats.map(lineFormatOf))),
    };
  }

  private signs(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    return Promise.all(
      shards.map(async (shard) =>
        signOf(await this.client.hmget(shardKeys(this.options.keyPrefix, shard).meta, ...SIGN_FIELDS)),
      ),
    );
  }

  private async totals(shards: number): Promise<Totals> {
    const all = await Promise.all(
      range(shards).map(async (shard) =>
        numbersOf(await this.client.hget(shardKeys(this.options.keyPrefix, shard).meta, 'numbers')),
      ),
    );
    const totals = { pending: 0, deadLetters: 0, verdicts: 0 };
    for (const { inLine, delayed, letters, verdicts } of all) {
      totals.pending += inLine + delayed;
      totals.deadLetters += letters;
      totals.verdicts += verdicts;
    }
    return totals;
  }

  private tell(phase: ReshardProgress['phase'], done: number, total: number): void {
    this.options.progress?.({ phase, done, total });
  }

  private async step(name: string): Promise<void> {
    await this.options.step?.(name);
  }
}

/** All keys of a shard, in one order. */
function keysOf(keys: ShardKeys): string[] {
  const { hash, zset, list, set } = shardKeysByKind(keys);
  return [...hash, ...zset, ...list, ...set];
}

function aliveText(alive: readonly string[]): string {
  return `${alive.length === 1 ? 'A node is' : `${alive.length} nodes are`} alive: ${alive.join(', ')}.`;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
