/**
 * One actor class on this node: its options, its methods by wire name, and how its instances are made and woken. It is
 * the binding that the engine knows; a class with its entity type has one.
 */
import type { ActorBinding, ActorCall, ActorInstance } from '../entity/actor-port.js';
import { WILDCARD } from '../entity/handler-table.js';
import type { ClassReference } from '../message/class-reference.js';
import type { CodecLimits } from '../message/codec.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { ResolvedActorOptions } from './actor-options.js';
import { AwakeActor } from './awake-actor.js';
import { DELETED_FIELD, readState, type StateFields, setOwn, stateText, storableField } from './state-codec.js';
import { type StateOwner, unreadable, unstorable } from './state-fault.js';
import { type ActorMaking, makeInstance, type StateFieldNames, stateFieldsOf } from './state-fields.js';
import { DELETED } from './state-tags.js';

/** An `@On` method as it is called. */
export interface BoundMethod {
  readonly method: string | symbol;
  /** Calls it with what is wrapped around it, e.g. Nest's guards. Absent: the method is called as it is. */
  readonly run?: RunOnInstance | undefined;
}

export type RunOnInstance = (instance: object, message: unknown, context: ActorCall['context']) => unknown;

export interface ActorTypeOptions {
  readonly cls: ClassReference;
  readonly label: string;
  readonly entityType: string;
  readonly options: ResolvedActorOptions;
  readonly transient: ReadonlySet<string>;
  readonly limits: CodecLimits;
}

/** Called, if the class has it, when an instance has come into memory with its state, and before its first message. */
interface Activated {
  onActivate?(entity: { readonly entityType: string; readonly entityId: string }): unknown;
}

export class ActorType implements ActorBinding {
  readonly cls: ClassReference;
  readonly label: string;
  readonly entityType: string;
  readonly persistence: boolean;
  readonly stateTtlMs: number | undefined;
  readonly effects: 'any' | 'state';
  readonly outbox: 'atomic' | undefined;
  readonly idleTimeoutMs: number;
  readonly limits: CodecLimits;
  private readonly options: ResolvedActorOptions;
  private readonly transient: ReadonlySet<string>;
  private readonly methods = new Map<string, BoundMethod>();
  private making: ActorMaking | undefined;
  private names: StateFieldNames = { excluded: new Set(), handedIn: new Map(), initial: new Set() };
  /** The text of the state as the constructor makes it; instances that have it share it. */
  private initialText = '';
  private readonly hasOnActivate: boolean;

  constructor({ cls, label, entityType, options, limits, transient }: ActorTypeOptions) {
    this.transient = transient;
    this.cls = cls;
    this.label = label;
    this.entityType = entityType;
    this.options = options;
    this.limits = limits;
    this.persistence = options.persistence;
    this.stateTtlMs = options.stateTtlMs;
    this.effects = options.effects;
    this.outbox = options.outbox;
    this.idleTimeoutMs = options.idleTimeoutMs;
    this.hasOnActivate = typeof (cls.prototype as Activated).onActivate === 'function';
  }

  addMethod(name: string, method: BoundMethod): void {
    this.methods.set(name, method);
  }

  /** @throws AtomicQueuesError `NO_HANDLER`; the door has refused such a message before. */
  methodFor(name: string): BoundMethod {
    const method = this.methods.get(name) ?? this.methods.get(WILDCARD);
    if (method !== undefined) return method;
    throw new AtomicQueuesError('NO_HANDLER', `${this.label} has no @On method for "${name}".`, {
      subject: { entityType: this.entityType, name },
    });
  }

  /**
   * Says how instances are made, and makes one to see that they can be, and that their initial state can be stored.
   * @throws AtomicQueuesError `STATE_INVALID` naming the field that cannot be stored; whatever the constructor throws.
   */
  prepare(making: ActorMaking): void {
    const owner: StateOwner = { entityType: this.entityType };
    const instance = makeInstance(making);
    this.names = stateFieldsOf(instance, making, this.transient, owner);
    this.initialText = this.textOf(instance, owner);
    this.making = making;
  }

  /** Names of the fields that are state, for people. */
  get stateFields(): string[] {
    return [...this.names.initial];
  }

  wake(entityType: string, entityId: string, stored: string | undefined): ActorInstance | Promise<ActorInstance> {
    if (this.making === undefined) throw new Error(`${this.label} was woken before it was prepared.`);
    const instance = makeInstance(this.making);
    const resident = new AwakeActor(this, entityId, instance);
    if (stored === undefined) resident.begin();
    else this.wakeFrom(stored, resident, { entityType, entityId });
    if (!this.hasOnActivate) return resident;
    const activated = (instance as Activated).onActivate?.({ entityType, entityId });
    if (isPromiseLike(activated)) return Promise.resolve(activated).then(() => resident.activated());
    return resident.activated();
  }

  private wakeFrom(stored: string, resident: AwakeActor, owner: StateOwner): void {
    const { version, state } = readState(stored, owner);
    const { version: current, upgrade } = this.options;
    if (version > current) {
      throw unreadable(
        owner,
        `it has version ${version}, and ${this.label} has stateVersion ${current}: newer code wrote it`,
      );
    }
    if (version === current) {
      this.assign(state, resident.instance, owner);
      resident.comeBack(
        stored,
        [...this.names.initial].every((field) => Object.hasOwn(state, field)),
      );
      return;
    }
    if (upgrade === undefined) {
      throw unreadable(
        owner,
        `it has version ${version}, ${this.label} has stateVersion ${current}, and there is no upgrade. Give @Actor the ` +
          'option upgrade, or the class a static method upgrade(state, fromVersion)',
      );
    }
    this.assign(this.upgraded(upgrade, state, version, owner), resident.instance, owner);
    resident.begin(true);
  }

  private upgraded(
    upgrade: NonNullable<ResolvedActorOptions['upgrade']>,
    state: StateFields,
    version: number,
    owner: StateOwner,
  ): StateFields {
    let result: unknown;
    try {
      result = upgrade(state, version);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw unreadable(owner, `its upgrade from version ${version} threw: ${reason}`, cause);
    }
    if (typeof result !== 'object' || result === null || Array.isArray(result) || isPromiseLike(result)) {
      throw unreadable(owner, `its upgrade from version ${version} did not return an object with the fields`);
    }
    return result as StateFields;
  }

  /** @throws AtomicQueuesError `STATE_INVALID`. */
  textOf(instance: object, owner: StateOwner): string {
    const { excluded, handedIn, initial } = this.names;
    for (const [field, value] of handedIn) {
      if (!Object.is((instance as StateFields)[field], value)) throw unstorable(owner, field, HANDED_IN);
    }
    const fields: StateFields = {};
    for (const key of Object.keys(instance)) {
      if (excluded.has(key)) continue;
      setOwn(fields, key, storableField((instance as StateFields)[key], key, owner));
    }
    for (const key of initial) if (!Object.hasOwn(instance, key)) fields[key] = DELETED_FIELD;
    const text = stateText(this.options.version, fields, owner, this.limits);
    return text === this.initialText ? this.initialText : text;
  }

  /** Whether this is the state that the constructor always makes. */
  isInitial(text: string): boolean {
    return text === this.initialText;
  }

  /** Puts the fields of a stored text into the instance, and takes out the ones that came later. */
  restore(instance: object, text: string, owner: StateOwner): void {
    const { state } = readState(text, owner);
    for (const key of Object.keys(instance)) {
      if (!this.names.excluded.has(key) && !Object.hasOwn(state, key)) delete (instance as StateFields)[key];
    }
    for (const [field, value] of this.names.handedIn) setOwn(instance as StateFields, field, value);
    this.assign(state, instance, owner);
  }

  private assign(state: StateFields, instance: object, owner: StateOwner): void {
    try {
      for (const key of Object.keys(state)) {
        const value = state[key];
        if (this.names.excluded.has(key)) continue;
        if (value === DELETED) delete (instance as StateFields)[key];
        else setOwn(instance as StateFields, key, value);
      }
    } catch (cause) {
      throw unreadable(owner, `a field of ${this.label} cannot be set`, cause);
    }
  }
}

const HANDED_IN =
  'was changed, but it holds what the constructor was given or what was injected, and that is no part of the state. Keep ' +
  'what changes in a field of its own, or mark this one with @Transient()';

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
