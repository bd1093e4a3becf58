/**
 * What `@Actor`, `@On` and `@Transient` record on a class, kept under a registered symbol so that it is found whichever
 * copy of this package wrote it. Own to each class; what a class inherits is put together on reading.
 */
import { classChain } from '../message/class-metadata.js';
import type { ClassReference } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import type { ActorOptions } from './actor-options.js';

/** One `@On`: which method, and the wire name or the message class that it takes. */
export interface ActorMethod {
  readonly method: string | symbol;
  readonly takes: string | ClassReference;
  /** Given with the decorator; else the message's own mark says. */
  readonly kind: MessageKind | undefined;
}

export interface ActorDeclaration {
  readonly entityType: string;
  readonly options: ActorOptions;
}

interface ActorMetadata {
  declaration?: ActorDeclaration;
  readonly methods: ActorMethod[];
  readonly transient: Set<string>;
}

const METADATA = Symbol.for('atomic-queues.actor');

export function ownActorMetadata(cls: object): Readonly<ActorMetadata> | undefined {
  return Object.hasOwn(cls, METADATA) ? (cls as { [METADATA]?: ActorMetadata })[METADATA] : undefined;
}

export function writableActorMetadata(cls: object): ActorMetadata {
  const known = ownActorMetadata(cls) as ActorMetadata | undefined;
  if (known !== undefined) return known;
  const metadata: ActorMetadata = { methods: [], transient: new Set() };
  Object.defineProperty(cls, METADATA, { value: metadata });
  return metadata;
}

/** An actor as it is after inheritance: the nearest declaration, and for each method its nearest decorators. */
export interface ActorDescription {
  /** Undefined when the class has `@On` methods but no `@Actor`. */
  readonly declaration: ActorDeclaration | undefined;
  readonly methods: readonly ActorMethod[];
  /** Fields that are not state. */
  readonly transient: ReadonlySet<string>;
}

/** Undefined for a class that is no actor. `@Transient` alone makes none: a class may have it for those that extend it. */
export function readActor(cls: object): ActorDescription | undefined {
  let declaration: ActorDeclaration | undefined;
  const methods: ActorMethod[] = [];
  const transient = new Set<string>();
  for (const at of classChain(cls)) {
    const metadata = ownActorMetadata(at);
    if (metadata === undefined) continue;
    declaration ??= metadata.declaration;
    const nearer = new Set(methods.map(({ method }) => method));
    methods.push(...metadata.methods.filter(({ method }) => !nearer.has(method)));
    for (const field of metadata.transient) transient.add(field);
  }
  return declaration === undefined && methods.length === 0 ? undefined : { declaration, methods, transient };
}
