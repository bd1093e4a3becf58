/** The dead letters of this node, for injection. Works from the first moment: it opens the store if need be. */
import type { AtomicQueuesNode } from '../bus/node.js';
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  ListOptions,
  Progress,
} from '../dead-letter/dead-letters.js';

export class DeadLetterService {
  constructor(private readonly node: AtomicQueuesNode) {}

  /** A page of letters, oldest first. */
  async list(options?: ListOptions): Promise<DeadLetterPage> {
    await this.node.whenOpen();
    return this.node.deadLetters.list(options);
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    await this.node.whenOpen();
    return this.node.deadLetters.get(id);
  }

  /** How many letters the filter takes in; without one: all. */
  async count(filter?: DeadLetterFilter): Promise<number> {
    await this.node.whenOpen();
    return this.node.deadLetters.count(filter);
  }

  /**
   * Puts a letter back at the end of its entity's line, as a new message that remembers its origin. Undefined when there
   * is no such letter. With a filter: every letter that it takes in now; resolves to their number.
   */
  replay(id: string): Promise<{ readonly id: string } | undefined>;
  replay(filter: DeadLetterFilter, progress?: Progress): Promise<number>;
  async replay(
    what: string | DeadLetterFilter,
    progress?: Progress,
  ): Promise<{ readonly id: string } | undefined | number> {
    await this.node.whenOpen();
    const { deadLetters } = this.node;
    return typeof what === 'string' ? deadLetters.replay(what) : deadLetters.replay(what, progress);
  }

  /** Removes a letter for good; false when there is no such letter. With a filter: their number. */
  purge(id: string): Promise<boolean>;
  purge(filter: DeadLetterFilter, progress?: Progress): Promise<number>;
  async purge(what: string | DeadLetterFilter, progress?: Progress): Promise<boolean | number> {
    await this.node.whenOpen();
    const { deadLetters } = this.node;
    return typeof what === 'string' ? deadLetters.purge(what) : deadLetters.purge(what, progress);
  }
}
