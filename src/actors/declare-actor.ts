/** Makes an actor class known to a node: its type, its methods as handlers, its messages. Everything but its instances. */
import type { AtomicQueuesNode } from '../bus/node.js';
import { WILDCARD } from '../entity/handler-table.js';
import { type ClassReference, classLabel, isClass } from '../message/class-reference.js';
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import { type ActorDeclaration, type ActorMethod, readActor } from './actor-metadata.js';
import { resolveActorOptions, type StateUpgrade } from './actor-options.js';
import { ActorType, type BoundMethod } from './actor-type.js';

/** One `@On` method, for those who wrap something around it. */
export interface DeclaredMethod {
  readonly method: string | symbol;
  /** The class of its messages, when it takes one only. */
  readonly messageClass: ClassReference | undefined;
}

/**
 * The actor type, ready but for `prepare`.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a class that is no actor or takes no message, a second actor of the type,
 *   and a message that something else takes too.
 */
export function declareActor(
  node: AtomicQueuesNode,
  cls: ClassReference,
  label = classLabel(cls),
  runOf?: (method: DeclaredMethod) => BoundMethod['run'],
): ActorType {
  const description = readActor(cls);
  const declaration = declarationOf(description?.declaration, label);
  const { methods = [], transient = new Set<string>() } = description ?? {};
  const { entityType, options } = declaration;
  if (methods.length === 0) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${label} has @Actor('${entityType}') but no method with @On(Message), so it takes no message.`,
      { subject: { entityType } },
    );
  }
  checkOnlyActor(node, entityType, label);
  const { upgrade } = cls as { upgrade?: unknown };
  const type = new ActorType({
    cls,
    label,
    entityType,
    options: resolveActorOptions(options, typeof upgrade === 'function' ? (upgrade as StateUpgrade) : undefined),
    transient,
    limits: node.config,
  });
  for (const method of methods) addMethod(node, type, method, runOf);
  return type;
}

function declarationOf(declaration: ActorDeclaration | undefined, label: string): ActorDeclaration {
  if (declaration !== undefined) return declaration;
  throw new AtomicQueuesError(
    'CONFIG_INVALID',
    `${label} has no @Actor, which says whose messages it takes. Add @Actor('...').`,
  );
}

function checkOnlyActor(node: AtomicQueuesNode, entityType: string, label: string): void {
  for (const name of node.handlers.names(entityType)) {
    const other = node.handlers.find(entityType, name)?.actor;
    if (other === undefined) continue;
    const otherLabel = other instanceof ActorType ? other.label : 'another one';
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      otherLabel === label
        ? `The actor ${label} of entity type "${entityType}" is registered twice. Register it once.`
        : `Two actors of entity type "${entityType}": ${otherLabel} and ${label}. An entity is one instance: keep one of them.`,
      { subject: { entityType } },
    );
  }
}

function addMethod(
  node: AtomicQueuesNode,
  type: ActorType,
  { method, takes, kind: given }: ActorMethod,
  runOf: ((method: DeclaredMethod) => BoundMethod['run']) | undefined,
): void {
  const { cls, entityType } = type;
  const label = `${type.label}.${String(method)}`;
  if (typeof (cls.prototype as Record<string | symbol, unknown>)[method] !== 'function') {
    throw new AtomicQueuesError('CONFIG_INVALID', `${type.label} has no method ${String(method)}.`);
  }
  const { name, kind, messageClass } = taken(node, entityType, takes, given, label);
  node.addHandler(entityType, name, {
    kind,
    label,
    run: () => {
      throw new Error(`${label} was called without its instance.`);
    },
    actor: type,
  });
  type.addMethod(name, { method, run: runOf?.({ method, messageClass }) });
}

function taken(
  node: AtomicQueuesNode,
  entityType: string,
  takes: ActorMethod['takes'],
  given: MessageKind | undefined,
  label: string,
): { readonly name: string; readonly kind: MessageKind; readonly messageClass: ClassReference | undefined } {
  const message = isClass(takes)
    ? node.registry.registerFor(entityType, takes)
    : takes === WILDCARD
      ? undefined
      : node.registry.find(entityType, takes);
  const name = message?.name ?? (takes as string);
  const subject = { entityType, name };
  if (message !== undefined && message.entityType !== entityType) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${label} belongs to the actor of entity type '${entityType}', but has @On for ${name} of entity type '${message.entityType}'.`,
      { subject },
    );
  }
  if (message?.kind !== undefined && given !== undefined && message.kind !== given) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${name} is marked as a ${message.kind}, but ${label} takes it as a ${given}. Change one of them.`,
      { subject },
    );
  }
  return { name, kind: given ?? message?.kind ?? 'command', messageClass: message?.cls };
}
