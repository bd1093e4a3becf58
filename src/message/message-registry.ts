/**
 * The message classes that are known on this node, by entity type and wire name. Only these are rebuilt as instances;
 * what a message claims to be never decides which class is used.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { type ClassReference, classLabel } from './class-reference.js';
import { type CodecLimits, decodePayload, encodeReply } from './codec.js';
import { instantiate } from './instantiate.js';
import { readJobMark } from './job-decorators.js';
import { type MessageClass, readMessageClass } from './message-class.js';
import { checkWireName } from './message-name.js';

/** Who looks at the form of messages that arrive and of replies that leave; see `src/contracts`. */
export interface MessageChecks {
  /** @throws AtomicQueuesError `INVALID_PAYLOAD`. */
  checkArrival(subject: { readonly entityType: string; readonly name: string }, data: unknown): void;
  /** As `encodeReply` of the codec. @throws AtomicQueuesError `INVALID_PAYLOAD`. */
  encodeReply(subject: { readonly entityType: string; readonly name: string }, value: unknown): string | undefined;
}

export class MessageRegistry {
  /** Set once, before the node is opened. */
  checks: MessageChecks | undefined;
  readonly #limits: CodecLimits;
  readonly #byType = new Map<string, Map<string, MessageClass>>();
  readonly #byClass = new Map<object, MessageClass>();

  constructor(limits: CodecLimits) {
    this.#limits = limits;
  }

  /**
   * Makes a class known; the same class again changes nothing.
   * @throws AtomicQueuesError `UNKNOWN_ENTITY_TYPE` for a class without `@EntityType`; `CONFIG_INVALID` when another
   *   class has the same type and name.
   */
  register(cls: unknown): MessageClass {
    const messageClass = readMessageClass(cls);
    if (messageClass === undefined) {
      throw new AtomicQueuesError(
        'UNKNOWN_ENTITY_TYPE',
        cls === Object || cls === undefined
          ? "A plain object does not say where it goes: send an instance of a class with @EntityType('...'), or use the " +
              'form enqueue(type, name, id, payload).'
          : `${classLabel(cls)} is not a message class: decorate it with @EntityType('...'), or name the entity, as ActorSystem.send does.`,
      );
    }
    if (this.#byClass.has(messageClass.cls)) return messageClass;
    this.#add(messageClass);
    this.#byClass.set(messageClass.cls, messageClass);
    return messageClass;
  }

  /**
   * Makes a class known as a message of `entityType` because something that takes messages of that type names it. A class
   * with `@EntityType` is registered as it is; one without gets the name of its mark or its own, and can only be sent by
   * those who name the type.
   * @throws AtomicQueuesError `CONFIG_INVALID` as `register`, and for a name that is not allowed.
   */
  registerFor(entityType: string, cls: ClassReference): MessageClass {
    if (readMessageClass(cls) !== undefined) return this.register(cls);
    const name = undeclaredName(cls);
    const known = this.find(entityType, name);
    if (known?.cls === cls) return known;
    checkWireName(name, `Message class ${classLabel(cls)}`);
    const kind = readJobMark(cls)?.kind;
    return this.#add(Object.freeze({ cls, entityType, name, entityIdProperty: undefined, kind }));
  }

  #add(messageClass: MessageClass): MessageClass {
    const { cls, entityType, name } = messageClass;
    let names = this.#byType.get(entityType);
    if (names === undefined) this.#byType.set(entityType, (names = new Map<string, MessageClass>()));
    const other = names.get(name);
    if (other !== undefined) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `The classes ${classLabel(other.cls)} and ${classLabel(cls)} are both '${name}' of entity type ` +
          `'${entityType}'. Give one of them another wire name: @EntityType('${entityType}', { name: '...' }).`,
        { subject: { entityType, name } },
      );
    }
    names.set(name, messageClass);
    return messageClass;
  }

  find(entityType: string, name: string): MessageClass | undefined {
    return this.#byType.get(entityType)?.get(name);
  }

  /** All wire names known for a type, for messages that suggest the nearest one. */
  namesOf(entityType: string): readonly string[] {
    return [...(this.#byType.get(entityType)?.keys() ?? [])];
  }

  get entityTypes(): readonly string[] {
    return [...this.#byType.keys()];
  }

  /**
   * The class of a message object. A decorated class that was not registered becomes known by this.
   * @throws AtomicQueuesError `INVALID_PAYLOAD` for what is not an object; else as `register`.
   */
  ofInstance(message: unknown): MessageClass {
    if (typeof message !== 'object' || message === null) {
      throw new AtomicQueuesError(
        'INVALID_PAYLOAD',
        `Expected an instance of a message class, got ${message === null || message === undefined ? message : `a ${typeof message}`}.`,
      );
    }
    const cls: unknown = (Object.getPrototypeOf(message) as { constructor?: unknown } | null)?.constructor;
    return this.#byClass.get(cls as object) ?? this.register(cls);
  }

  /**
   * A message as its handler gets it: an instance of the known class with that type and name, else plain data.
   * @throws AtomicQueuesError `INVALID_PAYLOAD` as `decodePayload` and `instantiate`.
   */
  toInstance(entityType: string, name: string, payloadText: string): unknown {
    const data = decodePayload(payloadText, this.#limits, `Payload of ${name}`);
    this.checks?.checkArrival({ entityType, name }, data);
    const messageClass = this.find(entityType, name);
    return messageClass === undefined ? data : instantiate(messageClass.cls, data);
  }

  /**
   * JSON text of what a handler returned.
   * @throws AtomicQueuesError when it cannot travel, or is not what the message's reply schema says.
   */
  encodeReply(entityType: string, name: string, value: unknown): string | undefined {
    return this.checks === undefined
      ? encodeReply(value, this.#limits, `Reply of "${name}"`)
      : this.checks.encodeReply({ entityType, name }, value);
  }
}

/** The wire name of a class without `@EntityType`. */
export function undeclaredName(cls: ClassReference): string {
  return readJobMark(cls)?.name ?? cls.name;
}
