/**
 * What Sentinels say when they lead to no primary. The client library tells of each Sentinel that it tried, and after the
 * last one only that "all are unreachable", which is wrong where they answered and do not know the name.
 */
import type { Redis } from 'ioredis';
import type { AtomicQueuesError } from '../../runtime/error.js';
import { fault, NO_SENTINEL } from './connection-faults.js';

const ROUND_ENDED = /^All sentinels are unreachable/;
const NAME_UNKNOWN = /got an invalid reply: null|No such master/;
const PASSWORD_WRONG = /WRONGPASS|invalid password|invalid username-password/i;
const PASSWORD_MISSING = /NOAUTH/;
const NOT_ALLOWED = /NOPERM/;

export class SentinelFaults {
  /** What each Sentinel of this round said. */
  #round: string[] = [];
  /** One of them led to a server since the last round ended: the client goes on behind that one, and not from the first. */
  #isRest = false;

  /** @param server the primary in words. */
  constructor(
    private readonly client: Redis,
    private readonly server: string,
  ) {
    client.on('sentinelError', (error: unknown) => {
      this.#round.push(error instanceof Error ? error.message : String(error));
    });
    // Only a connection that a Sentinel has led to is closed.
    client.on('close', () => {
      this.#round = [];
      this.#isRest = true;
    });
  }

  /**
   * The end of a round as an error that says what to do; what is not about Sentinels as it is. Undefined: nothing is new. The
   * rest of a round, behind a Sentinel that knew where to go, says nothing: the fault is with where it led.
   */
  explained(error: Error): AtomicQueuesError | Error | undefined {
    if (!ROUND_ENDED.test(error.message)) return error;
    const round = this.#round.splice(0);
    const isRest = this.#isRest;
    this.#isRest = false;
    if (isRest || round.length === 0) return undefined;
    const explained = round.map((said) => this.#lasting(said));
    const lasting = explained.find((words) => words !== undefined);
    // One that is away may lead to the primary when it is back, whatever the others say now.
    if (lasting !== undefined && !explained.includes(undefined)) return fault(lasting, error);
    const all = round.map((each) => each.replace(/\.$/, '')).join('; ');
    // Why a connection was closed, refused or not trusted, the client library keeps to itself.
    const tls =
      this.client.options.sentinelTLS === undefined ? 'without TLS' : 'with TLS and a certificate that is trusted here';
    if (lasting !== undefined)
      return new Error(
        `${NO_SENTINEL} with a primary: ${all}. Not all of them could be asked, and of the others: ${lasting}`,
      );
    return new Error(`${NO_SENTINEL}: ${all}. Are they running there, and ${tls} (redis.sentinelTLS)?`);
  }

  /** What someone must set right, by what a Sentinel said; undefined when waiting for it may help. */
  #lasting(said: string): string | undefined {
    if (NAME_UNKNOWN.test(said)) {
      const name = JSON.stringify(this.client.options.name);
      return `The Sentinels know no primary that is called ${name} (redis.name); look at "sentinel monitor" in their configuration. Asked for: ${this.server}.`;
    }
    if (PASSWORD_WRONG.test(said))
      return `The Sentinels refuse the user name or password (redis.sentinelUsername, redis.sentinelPassword): ${said}`;
    if (PASSWORD_MISSING.test(said))
      return `The Sentinels want a password, and none is set (redis.sentinelPassword): ${said}`;
    if (NOT_ALLOWED.test(said))
      return `The Sentinels do not let this user ask for the primary (redis.sentinelUsername): ${said}`;
    return undefined;
  }
}
