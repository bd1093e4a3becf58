/**
 * Proofs on the connection to one primary (M10). A round sends, in one go and on one socket: scripts that check that the
 * writes of all who ask are there and write something themselves, then one WAIT for all of them. Who asks while a round is
 * under way is part of the next.
 *
 * WAIT speaks of how far the server's writes had come at the last command of its own connection that was itself sent to the
 * replicas (any command up to Redis 7.0; others count no more from 7.2 and in Valkey, where WAIT after a PING finds every
 * replica far enough). So the script writes, in the slot of what it looked at: a PUBLISH goes to the replicas of a single
 * server, but not to those of a Cluster.
 */
import type { Redis } from 'ioredis';
import { StoreUnavailableError } from '../wal.js';
import { redisError } from './errors.js';
import type { Evidence } from './evidence.js';
import { PROVE } from './lua/proof.js';
import { type Redirection, redirectionIn } from './redirection.js';
import { addressOf } from './server-identity.js';
import { decided } from './sockets.js';

export interface PrimaryProofsOptions {
  readonly replicas: number;
  /** How long one round may take, milliseconds. */
  readonly timeoutMs: number;
  /** Whether each key needs a script of its own: others may be in other slots, or elsewhere while their slot moves. */
  readonly isCluster: boolean;
}

/** Writes that one script looks for at most (M3). */
const LOOKS_MAX = 200;

interface Asked {
  readonly evidence: Evidence;
  readonly asking: boolean;
  readonly resolve: (elsewhere: Redirection | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class PrimaryProofs {
  #waiting: Asked[] = [];
  #isRunning = false;

  constructor(
    private readonly connection: Redis,
    private readonly options: PrimaryProofsOptions,
  ) {}

  /**
   * Resolves when what the evidence is of is here and on enough replicas; or with where its key is, if it is not here.
   * `asking`: as an answer ASK wants it.
   * @throws StoreUnavailableError `unknown` when it is not proven.
   */
  prove(evidence: Evidence, asking = false): Promise<Redirection | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ evidence, asking, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) await this.#round();
    this.#isRunning = false;
  }

  async #round(): Promise<void> {
    const { connection } = this;
    let asked: readonly Asked[] = [];
    try {
      if (connection.status === 'wait') connection.connect().catch(() => {});
      if (connection.status === 'connecting' || connection.status === 'connect') await decided(connection);
      asked = this.#waiting.splice(0);
      await this.#ask(asked);
    } catch (error) {
      // Whatever it was: nobody may wait for ever, nor the next round.
      const failed = asUnproven(redisError(error, true));
      for (const { reject } of [...asked, ...this.#waiting.splice(0)]) reject(failed);
    }
  }

  async #ask(asked: readonly Asked[]): Promise<void> {
    const { connection } = this;
    if (connection.status !== 'ready') {
      for (const { reject } of asked)
        reject(unproven(`The connection to Redis at ${addressOf(connection)} is not there.`));
      return;
    }
    // Nothing may be awaited between these: all of it must be written to one and the same socket.
    const { stream } = connection;
    const looks = this.#together(asked).map((group) => ({ group, found: this.#look(group) }));
    const waited = this.#reached(stream);
    await Promise.all([
      waited.catch(() => {}),
      ...looks.flatMap(({ group, found }) => group.map((one, index) => settle(one, index, found, waited))),
    ]);
  }

  /** Groups that one script each can look for. */
  #together(asked: readonly Asked[]): Asked[][] {
    const groups: Asked[][] = [];
    const open = new Map<string, Asked[]>();
    for (const one of asked) {
      const name = this.options.isCluster ? `${one.asking} ${one.evidence.key}` : '';
      let group = open.get(name);
      if (group === undefined || group.length >= LOOKS_MAX) {
        group = [];
        groups.push(group);
        open.set(name, group);
      }
      group.push(one);
    }
    return groups;
  }

  #look(group: readonly Asked[]): Promise<unknown> {
    const { connection } = this;
    if (group[0]?.asking === true) connection.asking().catch(() => {});
    const keys = group.map(({ evidence }) => evidence.key);
    const args = group.flatMap(({ evidence: { fields } }) => [String(fields.length), ...fields.flat()]);
    // By its text, not by its hash: should the server not know it, the answer would come after WAIT was sent.
    return connection.eval(PROVE, keys.length, ...keys, ...args);
  }

  /** Resolves when enough replicas have what this connection wrote last. */
  async #reached(stream: unknown): Promise<void> {
    const { replicas, timeoutMs } = this.options;
    const reached = Number(await this.connection.call('WAIT', String(replicas), String(timeoutMs)));
    if (this.connection.stream !== stream) throw unproven('The connection to Redis was lost meanwhile.');
    if (reached >= replicas) return;
    throw unproven(
      `Only ${reached} of ${replicas} replicas of Redis at ${addressOf(this.connection)} had the last writes after ${timeoutMs} ms.`,
    );
  }
}

async function settle(
  { evidence, resolve, reject }: Asked,
  index: number,
  found: Promise<unknown>,
  waited: Promise<void>,
): Promise<void> {
  try {
    if (((await found) as readonly unknown[])[index] !== 1) {
      throw unproven(
        `The server that answers now does not have what was written (${evidence.key}): one that lacked it was promoted, or it was restarted without it.`,
      );
    }
    await waited;
    resolve(undefined);
  } catch (error) {
    const elsewhere = redirectionIn(error);
    if (elsewhere === undefined) reject(asUnproven(redisError(error, true)));
    else resolve(elsewhere);
  }
}

/** The write itself was applied, as far as is known; whether it lasts is not. */
export function unproven(message: string): StoreUnavailableError {
  return new StoreUnavailableError(message, 'unknown', true);
}

/** The write itself was applied; whatever fails afterwards leaves it unproven. */
export function asUnproven(error: Error): Error {
  if (!(error instanceof StoreUnavailableError)) return error;
  if (error.applied === 'unknown') return error;
  return new StoreUnavailableError(error.message, 'unknown', error.recoverable, { cause: error });
}
