/**
 * One entity type as generated code sees it: what each message is called there, and the declarations of its payload and
 * its reply. Shared by the classes and by the namespaces.
 */
import { isPoisonedKey } from '../../runtime/name-rule.js';
import type { JsonSchema, MessageContract } from '../contract-snapshot.js';
import { type Body, type Declaration, type Field, type TypeNode, UNKNOWN, word } from './declaration.js';
import { Identifiers, identifierOf, namesFor } from './names.js';
import { SchemaReader } from './schema-reader.js';
import { isDeclarable } from './source-text.js';
import type { UsableEntity } from './usable-contracts.js';

export interface EntityModel {
  readonly entityType: string;
  readonly takesAnyName: boolean;
  readonly messages: readonly MessageModel[];
}

export interface MessageModel {
  readonly wireName: string;
  readonly kind: 'command' | 'query';
  readonly className: string;
  readonly data: Payload;
  /** The name of the reply's type; undefined: not told. */
  readonly replyName: string | undefined;
  /** Of payload and reply and all that they need, the payload's first. */
  readonly declarations: readonly Declaration[];
  /** The field with the entity's id; undefined: the payload does not hold it. */
  readonly idField: string | undefined;
}

export interface Payload {
  readonly name: string;
  /**
   * `fields`: an object with these fields; `others` says that it may have more. `object`: an object of several forms.
   * `mixed`: not only objects. `none`: never an object, so that no class can carry it.
   */
  readonly shape: 'fields' | Shape;
  readonly fields: readonly Field[];
  readonly others: boolean;
}

export function entityModel({ entityType, contract, messages }: UsableEntity): EntityModel {
  const classNames = namesFor(
    messages.map(([name]) => name),
    (name) => identifierOf(name, 'Message'),
    '_',
  );
  const names = new Identifiers(classNames.values());
  const named = messages.map(([wireName, message]) => {
    const className = classNames.get(wireName) ?? identifierOf(wireName, 'Message');
    // All of them before what lies within, so that a nested name never takes the place of one of these.
    return {
      wireName,
      message,
      className,
      dataName: names.take(`${className}Data`),
      reply: names.take(`${className}Reply`),
    };
  });
  return {
    entityType,
    takesAnyName: contract.takesAnyName === true,
    messages: named.map(({ wireName, message, className, dataName, reply }) => {
      const idField = idFieldOf(message, contract.defaultEntityId);
      const payload = readPayload(names, message.schema, dataName, className, idField);
      const answer = message.replySchema === undefined ? [] : read(names, message.replySchema, reply);
      return {
        wireName,
        kind: message.kind,
        className,
        data: payload.data,
        replyName: answer.length === 0 ? undefined : reply,
        declarations: [...payload.declarations, ...answer],
        idField,
      };
    }),
  };
}

function idFieldOf(message: MessageContract, defaultEntityId: string | undefined): string | undefined {
  const field = message.entityIdField ?? defaultEntityId;
  if (field === undefined || field === '' || !isDeclarable(field)) return undefined;
  // A class has no field by these names, whatever a payload has.
  return field in Object.prototype || isPoisonedKey(field) ? undefined : field;
}

function read(names: Identifiers, schema: JsonSchema, name: string): Declaration[] {
  const reader = new SchemaReader(names, schema, name);
  reader.declareRoot(name);
  return reader.declarations;
}

function readPayload(
  names: Identifiers,
  schema: JsonSchema | undefined,
  name: string,
  className: string,
  idField: string | undefined,
): { readonly data: Payload; readonly declarations: readonly Declaration[] } {
  const [root, ...nested] = read(names, schema ?? true, name);
  if (root === undefined) throw new Error(`The payload of ${className} has no type.`);
  // A class has fields, so of "anything" it can carry any object.
  const isAnything = root.body.kind === 'alias' && root.body.type === UNKNOWN;
  const body = isAnything ? ({ kind: 'interface', fields: [], others: UNKNOWN } as const) : root.body;
  if (body.kind !== 'interface') {
    const shape = new Shapes([root, ...nested]).ofName(name);
    return { data: { name, shape, fields: [], others: false }, declarations: [root, ...nested] };
  }
  const fields = withId(body.fields, idField);
  const full = { ...body, fields, ...(fields.length > 0 && body.others !== undefined && { others: UNKNOWN }) };
  return {
    data: { name, shape: 'fields', fields, others: body.others !== undefined },
    declarations: [{ ...root, body: full }, ...nested],
  };
}

/** The id has to be there, or the message has no entity. */
function withId(fields: readonly Field[], idField: string | undefined): readonly Field[] {
  if (idField === undefined || fields.some(({ name }) => name === idField)) return fields;
  const added: Field = { name: idField, type: word('string'), optional: false };
  return [...fields, added].sort((left, right) => (left.name < right.name ? -1 : 1));
}

type Shape = 'object' | 'mixed' | 'none';

/** Which values types take in, as far as being an object goes. */
class Shapes {
  readonly #declared: ReadonlyMap<string, Declaration>;
  /** Each name is looked into once: unions of references can lead to one declaration in endlessly many ways. */
  readonly #known = new Map<string, Shape>();

  constructor(declarations: readonly Declaration[]) {
    this.#declared = new Map(declarations.map((each) => [each.name, each]));
  }

  ofName(name: string): Shape {
    let shape = this.#known.get(name);
    if (shape === undefined) {
      // What leads back to itself says nothing of its shape.
      this.#known.set(name, 'mixed');
      this.#known.set(name, (shape = this.#ofBody(this.#declared.get(name)?.body)));
    }
    return shape;
  }

  #of(type: TypeNode): Shape {
    switch (type.kind) {
      case 'array':
      case 'literal':
        return 'none';
      case 'word':
        return type.word === 'unknown' ? 'mixed' : 'none';
      case 'union':
        return together(type.members.map((member) => this.#of(member)));
      case 'ref':
        return this.ofName(type.name);
    }
  }

  #ofBody(body: Body | undefined): Shape {
    if (body === undefined) return 'mixed';
    switch (body.kind) {
      case 'alias':
        return this.#of(body.type);
      case 'intersection': {
        const shapes = body.members.map((member) => this.#of(member));
        return shapes.includes('none') ? 'none' : shapes.includes('object') ? 'object' : 'mixed';
      }
      case 'interface':
        return 'object';
      case 'tuple':
        return 'none';
    }
  }
}

function together(shapes: readonly Shape[]): Shape {
  if (shapes.every((shape) => shape === 'object')) return 'object';
  return shapes.every((shape) => shape === 'none') ? 'none' : 'mixed';
}
