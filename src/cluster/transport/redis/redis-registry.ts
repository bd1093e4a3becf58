/**
 * The registry of contracts on a Redis or Valkey server. A record's text is kept once for all processes that publish the same,
 * and read once by each reader, so that a look at an unchanged registry costs little whatever its size.
 *
 * The client is the caller's. What stands on the server may have been written by anyone: see `read-record.ts`.
 */
import { createHash } from 'node:crypto';
import type { ContractRegistry, RegistryReading } from '../../../contracts/contract-registry.js';
import type { ServiceRecord } from '../../../contracts/contract-snapshot.js';
import type { ContractWarning } from '../../../contracts/merge-records.js';
import { type ReadRecord, readServiceRecord } from '../../../contracts/read-record.js';
import { redisError } from '../../../wal/redis/errors.js';
import { clusterKeys } from '../../../wal/redis/keys.js';
import { type RedisClient, runScript, type Script } from '../../../wal/redis/scripts.js';
import { BEAT_SERVICE, LEAVE_SERVICE, PUBLISH, READ_SERVICES, SERVICES_MAX } from './lua/registry.js';

export interface RedisRegistryOptions {
  /** A ready ioredis client that is not in subscriber mode. */
  readonly client: RedisClient;
  /** Default `aq`. */
  readonly keyPrefix?: string | undefined;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

const scripts = {
  publish: script(PUBLISH),
  beat: script(BEAT_SERVICE),
  read: script(READ_SERVICES),
  leave: script(LEAVE_SERVICE),
};

/** Texts that are asked for in one command. */
const TEXTS_AT_ONCE = 8;

/** An incarnation, and where its record's text is. */
interface Entry {
  readonly incarnation: string;
  readonly digest: string;
  readonly startedAt: number | undefined;
}

export class RedisRegistry implements ContractRegistry {
  private readonly client: RedisClient;
  private readonly keys: readonly [services: string, beats: string, contracts: string];
  /** By digest, those that the last reading named. */
  private texts: ReadonlyMap<string, ReadRecord> = new Map();

  constructor(options: RedisRegistryOptions) {
    this.client = options.client;
    const { services, serviceBeats, contracts } = clusterKeys(options.keyPrefix);
    this.keys = [services, serviceBeats, contracts];
  }

  async read(): Promise<RegistryReading> {
    const answer = await this.run(scripts.read, []);
    const [token, ...rest] = Array.isArray(answer) ? answer.map(String) : [];
    if (rest[0] === '-1' && rest.length === 1) {
      const reason = `it has more than ${SERVICES_MAX} entries and is not read`;
      return { token: token ?? '', records: [], warnings: [{ service: 'the registry', reason }] };
    }
    const entries: Entry[] = [];
    const warnings: ContractWarning[] = [];
    for (let at = 0; at + 1 < rest.length; at += 2) {
      const [incarnation = '', head = ''] = [rest[at], rest[at + 1]];
      const [, digest, startedAt = ''] = /^([0-9a-f]{40})\n(\d{0,16})$/.exec(head) ?? [];
      if (digest === undefined) {
        const read = readServiceRecord('', incarnation);
        warnings.push(
          ...read.warnings.map((each) => ({ ...each, reason: 'its entry names no record; it is ignored' })),
        );
      } else entries.push({ incarnation, digest, startedAt: startedAt === '' ? undefined : Number(startedAt) });
    }
    const texts = await this.load(new Map(entries.map(({ digest, incarnation }) => [digest, incarnation])));
    this.texts = texts;
    const records = entries.flatMap(({ digest, incarnation, startedAt }) => {
      const record = texts.get(digest)?.record;
      return record === undefined ? [] : [{ ...record, incarnation, ...(startedAt !== undefined && { startedAt }) }];
    });
    for (const text of texts.values()) warnings.push(...text.warnings);
    return { token: token ?? '', records, warnings };
  }

  async publish(record: ServiceRecord, ttlMs: number, token: string): Promise<boolean> {
    const { incarnation, startedAt, ...said } = record;
    const text = JSON.stringify(said);
    const digest = createHash('sha1').update(text).digest('hex');
    const entry = `${digest}\n${startedAt ?? ''}`;
    return (await this.run(scripts.publish, [incarnation, entry, digest, text, String(ttlMs), token])) === 1;
  }

  async beat(incarnation: string, ttlMs: number): Promise<boolean> {
    return (await this.run(scripts.beat, [incarnation, String(ttlMs)])) === 1;
  }

  async leave(incarnation: string): Promise<void> {
    await this.run(scripts.leave, [incarnation]);
  }

  /** @param wanted digests, each with the name of one who published it. */
  private async load(wanted: ReadonlyMap<string, string>): Promise<Map<string, ReadRecord>> {
    const texts = new Map<string, ReadRecord>();
    const missing: string[] = [];
    for (const digest of wanted.keys()) {
      const known = this.texts.get(digest);
      if (known === undefined) missing.push(digest);
      else texts.set(digest, known);
    }
    for (let at = 0; at < missing.length; at += TEXTS_AT_ONCE) {
      const digests = missing.slice(at, at + TEXTS_AT_ONCE);
      const found = await this.client.hmget(this.keys[2], ...digests).catch((error: unknown) => {
        throw redisError(error, false);
      });
      for (const [index, digest] of digests.entries()) {
        const text = found[index];
        // One that has just left took its text along.
        if (typeof text !== 'string') continue;
        texts.set(digest, readServiceRecord(text, wanted.get(digest) ?? digest, { incarnation: digest }));
      }
    }
    return texts;
  }

  private async run(script: Script, args: readonly string[]): Promise<unknown> {
    try {
      return await runScript(this.client, script, this.keys, args);
    } catch (error) {
      throw redisError(error, script !== scripts.read);
    }
  }
}
