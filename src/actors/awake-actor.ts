/**
 * One actor in memory: the instance of the user's class, and the text of its state as it was last kept. The text is how a
 * failed handler's changes are taken back, and how it is seen that nothing changed. Kept small: there may be many.
 */
import type { ActorCall, ActorInstance } from '../entity/actor-port.js';
import type { ActorType } from './actor-type.js';

type Method = (message: unknown, context: ActorCall['context']) => unknown;

export class AwakeActor implements ActorInstance {
  private keptText = '';
  /** The text of the last `snapshot` since the last message. */
  private pendingText: string | undefined;
  /** The state is not in the store as it is, although it is as it was kept. */
  private isUnstored = false;

  constructor(
    private readonly type: ActorType,
    readonly entityId: string,
    readonly instance: object,
  ) {}

  get entityType(): string {
    return this.type.entityType;
  }

  /**
   * The instance is as it is to begin with. Its state is stored with the next completion if a later instance would not be
   * made the same: defaults such as the time of creation stay what they were once.
   */
  begin(isUnstored?: boolean): void {
    this.keptText = this.text();
    this.isUnstored = isUnstored ?? !this.type.isInitial(this.keptText);
  }

  /** The instance has the stored state. `isWhole`: the text has every field that the constructor makes. */
  comeBack(stored: string, isWhole: boolean): void {
    this.keptText = isWhole ? stored : this.text();
  }

  /** The hook of the user has run; what it changed is part of what `restore` comes back to. */
  activated(): this {
    const text = this.text();
    if (text !== this.keptText) {
      this.keptText = text;
      this.isUnstored = true;
    }
    return this;
  }

  run({ name, message, context }: ActorCall): unknown {
    this.pendingText = undefined;
    const { method, run } = this.type.methodFor(name);
    if (run !== undefined) return run(this.instance, message, context);
    return (this.instance as Record<string | symbol, Method>)[method]?.(message, context);
  }

  snapshot(): string | undefined {
    const text = this.text();
    this.pendingText = text;
    return text === this.keptText && !this.isUnstored ? undefined : text;
  }

  kept(): void {
    this.keptText = this.pendingText ?? this.text();
    this.pendingText = undefined;
    this.isUnstored = false;
  }

  restore(): void {
    this.pendingText = undefined;
    if (this.isChanged()) this.type.restore(this.instance, this.keptText, this);
  }

  /** Looking is much cheaper than reading the text, and most handlers that fail, and nearly all queries, change nothing. */
  private isChanged(): boolean {
    try {
      return this.text() !== this.keptText;
    } catch {
      // What cannot be stored came later.
      return true;
    }
  }

  private text(): string {
    return this.type.textOf(this.instance, this);
  }
}
