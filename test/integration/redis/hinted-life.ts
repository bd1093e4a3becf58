/**
 * A made-up life of a shard on a real server in which hints that need not be true, verdicts told by commits, lost answers,
 * calls that arrive late, new owners and the change of the line format meet.
 */
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Random } from '../../../src/runtime/random.js';
import { contractMessage, contractOffers } from '../../../src/testing/wal-contract-shard.js';
import { clusterChannels, shardKeys } from '../../../src/wal/redis/keys.js';
import { RedisWal } from '../../../src/wal/redis/redis-wal.js';
import { SCRIPTS } from '../../../src/wal/redis/scripts.js';
import type { Transition } from '../../../src/wal/transition.js';
import { type CommitAnswer, StoreUnavailableError } from '../../../src/wal/wal.js';
import { freshPrefix } from '../../redis/redis-wals.js';
import type { ServerOfFile } from '../../redis/server-of-file.js';

const STEPS = 300;
const RAISED_AT = 100;
const ERROR = { name: 'Error', message: 'no' };

interface InLine {
  readonly seq: number;
  readonly id: string;
}

export class HintedLife {
  private readonly keyPrefix = freshPrefix();
  readonly offered: string[] = [];
  private readonly taken: string[] = [];
  private readonly line: InLine[] = [];
  /** By id: the payload, and the verdict as text. */
  private readonly payloads = new Map<string, string>();
  private readonly verdicts = new Map<string, string>();
  /** What the caller's node heard, and what the owner is to tell. */
  private readonly heard: string[] = [];
  private readonly leftToOwner = new Set<string>();
  private readonly hints: string[][] = [];
  private readonly producer: RedisWal;
  private owner: RedisWal;
  private faults = false;
  private readonly late: (() => Promise<unknown>)[] = [];
  private lives = 0;
  private epoch = 0;
  private number = 0;
  private format = 1;

  /** @param planted changes the text of the script of commits: a fault that has to show. */
  constructor(
    private readonly redis: ServerOfFile,
    private readonly random: Random,
    private readonly planted?: (script: string) => string,
  ) {
    this.producer = this.wal(redis.client);
    this.owner = this.producer;
  }

  private below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  private wal(by: Redis): RedisWal {
    const { keyPrefix } = this;
    return new RedisWal({ client: by, keyPrefix, slices: 1, reachesNodes: () => true, warn: () => {} });
  }

  /** Some of its scripts are not sent, some are not answered, and some arrive when nobody expects them any more. */
  private flaky(): Redis {
    const { client } = this.redis;
    const { planted } = this;
    const sent = async ([sha, ...args]: readonly unknown[]): Promise<unknown> =>
      planted !== undefined && sha === SCRIPTS.commit.sha
        ? client.eval(planted(SCRIPTS.commit.text), ...(args as [number, ...string[]]))
        : client.evalsha(sha as string, ...(args as [number, ...string[]]));
    const evalsha = async (...args: readonly unknown[]): Promise<unknown> => {
      const what = this.faults ? this.below(12) : 99;
      if (what > 2) return sent(args);
      if (what === 1) await sent(args).catch(() => {});
      if (what === 2) this.late.push(() => sent(args).catch(() => {}));
      throw new Error('Connection is closed.');
    };
    return new Proxy(client, {
      get: (target, name) => {
        if (name === 'evalsha') return evalsha;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  private async begin(): Promise<void> {
    await this.producer.start();
    const { node } = clusterChannels(this.keyPrefix);
    const subscriber = await this.redis.clients.single(this.redis.server);
    subscriber.on('message', (_channel: string, text: string) => {
      for (const message of JSON.parse(text) as { id?: string; verdict?: object; offers?: string[] }[]) {
        if (message.verdict !== undefined) this.heard.push(`${message.id} ${JSON.stringify(message.verdict)}`);
        else if (message.offers !== undefined) this.hints.push(message.offers);
        else if (message.id === 'end') this.heard.push('end');
      }
    });
    await subscriber.subscribe(node('owner'), node('caller'));
    await this.open();
  }

  private async open(): Promise<void> {
    await this.arriveLate();
    this.faults = false;
    this.owner = this.wal(this.flaky());
    await this.owner.start();
    await this.owner.allowTypes(0, ['account']);
    this.owner.useLineFormat(this.format);
    this.lives += 1;
    ({ epoch: this.epoch } = await this.owner.open(0, `life ${this.lives}`));
    this.number = 0;
    this.faults = true;
  }

  private async arriveLate(): Promise<void> {
    for (const arrive of this.late.splice(0)) await arrive();
  }

  private raise(): void {
    this.format = 2;
    this.owner.useLineFormat(2);
  }

  private async offer(): Promise<void> {
    const id = `m${this.offered.length}`;
    this.offered.push(id);
    const payload = JSON.stringify(`${id}\n${'x'.repeat(this.below(700))}`);
    this.payloads.set(id, payload);
    const message = { ...contractMessage(id), entityType: 'account', entityId: id, payload, replyTo: 'caller' };
    const offers = contractOffers('s', this.offered.length, { type: 'append', message });
    await this.producer.offer(0, offers, { depthMax: 0, owner: 'owner' });
  }

  private hear(): void {
    const hint = this.hints[this.below(3) > 0 ? this.hints.length - 1 : this.below(this.hints.length)];
    if (hint !== undefined) this.owner.hinted(0, hint);
  }

  /** Until it is answered, always under the same number (M1). */
  private async commit(...transitions: readonly Transition[]): Promise<CommitAnswer> {
    this.number += 1;
    const { epoch, number } = this;
    for (;;) {
      try {
        const request = { shard: 0, epoch, incarnation: `life ${this.lives}`, number, transitions };
        const answer = await this.owner.commit(request);
        for (const { message } of answer.taken) {
          if (message === undefined) continue;
          expect(message.payload).toBe(this.payloads.get(message.id));
          this.taken.push(message.id);
          this.line.push({ seq: message.seq, id: message.id });
        }
        return answer;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        if (this.below(2) === 0) await this.late.shift()?.();
      }
    }
  }

  private async run(): Promise<void> {
    const message = this.line[this.below(this.line.length)];
    if (message === undefined) return;
    const { seq, id } = message;
    await this.commit({ type: 'dispatch', seq });
    const fate = this.below(5);
    if (fate === 0) {
      await this.commit({ type: 'retry', seq, delayMs: 0, error: ERROR });
      return;
    }
    const reply = `"${id}"`;
    const end: Transition =
      fate === 1
        ? { type: 'fail', seq, error: ERROR, keepVerdict: true }
        : { type: 'complete', seq, reply, keepVerdict: true };
    const { told } = await this.commit(end);
    this.line.splice(this.line.indexOf(message), 1);
    const verdict = fate === 1 ? { state: 'failed', error: ERROR } : { state: 'completed', reply };
    this.verdicts.set(id, JSON.stringify(verdict));
    if (told?.get(id) !== 'caller') this.leftToOwner.add(id);
  }

  /** What stands in line has its own payload. */
  private async look(): Promise<void> {
    const bySeq = [...this.line].sort((a, b) => a.seq - b.seq);
    const loaded = await this.producer.load(
      0,
      bySeq.map(({ seq }) => seq),
    );
    expect(loaded.map(({ seq, id, payload }) => [seq, id, payload])).toEqual(
      bySeq.map(({ seq, id }) => [seq, id, this.payloads.get(id)]),
    );
  }

  private async finish(): Promise<void> {
    this.faults = false;
    await this.arriveLate();
    for (let rest = 5; rest > 0; rest -= 1) await this.commit();
    while (this.line.length > 0) await this.run();
    // The server tells in order: with this one, all has come that was published before.
    await this.redis.client.publish(clusterChannels(this.keyPrefix).node('caller'), '[{"id":"end"}]');
    await expect.poll(() => this.heard).toContain('end');
  }

  /** All of it, until nothing is left to do. */
  async live(): Promise<void> {
    await this.begin();
    for (let step = 0; step < STEPS; step += 1) {
      if (step === RAISED_AT) this.raise();
      const what = this.below(10);
      if (what < 3) await this.offer();
      if (this.below(2) === 0) this.hear();
      if (what >= 3 && what < 5) await this.commit();
      else if (what >= 5) await this.run();
      if (this.below(60) === 0) await this.open();
      if (step % 50 === 49) await this.look();
    }
    await this.finish();
  }

  /** What must not be there at the end, and what was taken in beside what was offered. */
  async outcome() {
    const heard = this.heard.filter((text) => text !== 'end');
    const told = [...this.verdicts].map(([id, verdict]) => `${id} ${verdict}`);
    const { heads, bodies, pasts } = shardKeys(this.keyPrefix, 0);
    const left = await Promise.all([...heads, ...bodies, ...pasts].map((key) => this.redis.client.hkeys(key)));
    return {
      taken: this.taken,
      unheard: told.filter((text) => !this.leftToOwner.has(text.split(' ')[0] as string) && !heard.includes(text)),
      untrue: heard.filter((text) => !told.includes(text)),
      left: left.flat().filter((field) => field !== ''),
    };
  }
}
