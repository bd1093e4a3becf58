import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceRecord } from '../../../src/contracts/contract-snapshot.js';
import { mergeRecords } from '../../../src/contracts/merge-records.js';
import { readServiceRecord, readSnapshot } from '../../../src/contracts/read-record.js';
import { schemaText } from '../../../src/contracts/schema-text.js';

function recordWith(schema: unknown): string {
  const entities = { account: { messages: { Deposit: { kind: 'command', schema } } } };
  return JSON.stringify({ format: 1, serviceName: 'bank', group: 'g', incarnation: 'i', entities });
}

const reasonOf = (text: string): string | undefined => readServiceRecord(text, 'entry').warnings[0]?.reason;

describe('readServiceRecord', () => {
  it.each([
    ['not json', 'its record is not JSON; it is ignored'],
    ['[]', 'its record is not an object; it is ignored'],
    ['{}', 'its record does not say which format it has; it is ignored'],
    ['{"format":2}', 'its record is of format 2, and this version reads format 1; it is ignored'],
    ['{"format":1,"serviceName":"a b"}', 'its record has no serviceName that can be one; it is ignored'],
    ['{"format":1,"serviceName":"a","group":"g","incarnation":"i"}', 'its record has no entities; it is ignored'],
    [`${'['.repeat(100_000)}`, 'its record is nested deeper than 256 levels; it is ignored'],
  ])('ignores %.40s and says why', (text, reason) => {
    expect(readServiceRecord(text, 'entry').record).toBeUndefined();
    expect(reasonOf(text)).toBe(reason);
  });

  it('names the service of another format', () => {
    const { warnings } = readServiceRecord('{"format":7,"serviceName":"bank"}', 'entry');
    expect(warnings[0]?.service).toBe('bank');
  });

  it.each([
    [{ type: 'strin' }, 'has a type at # that JSON Schema does not allow'],
    ['text', 'has a string at #, where a schema is expected'],
    [{ properties: { a: 5 } }, 'has a number at #/properties/a, where a schema is expected'],
    [{ $ref: '#' }, 'has a $ref cycle: it leads back to itself without going deeper into the value'],
    [
      { $ref: '#/$defs/a', $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } } },
      'has a $ref cycle: it leads back to itself without going deeper into the value',
    ],
    [{ $ref: 'https://example.com/x' }, 'has a $ref at # to "https://example.com/x", which is not in it'],
    [{ $ref: '#/$defs/none' }, 'has a $ref at # to "#/$defs/none", which is not in it'],
    [{ $ref: '#/%E0%A4%A' }, 'has a $ref at # to "#/%E0%A4%A", which is not in it'],
    [{ items: [{ type: 'string' }] }, 'has a list at #/items, where a schema is expected'],
    [{ minLength: -1 }, 'has a minLength at # that JSON Schema does not allow'],
    [null, 'has null at #, where a schema is expected'],
  ])('takes a message whose schema is %j as one that takes anything, with a warning', (schema, reason) => {
    const { record, warnings } = readServiceRecord(recordWith(schema), 'entry');
    expect(record?.entities['account']?.messages['Deposit']).toEqual({ kind: 'command' });
    expect(warnings).toEqual([
      {
        service: 'bank',
        entityType: 'account',
        message: 'Deposit',
        reason: `its schema ${reason}; it counts as anything`,
      },
    ]);
  });

  it('keeps a schema that describes a tree by a reference to itself', () => {
    const tree = { type: 'object', properties: { children: { type: 'array', items: { $ref: '#' } } } };
    const { record, warnings } = readServiceRecord(recordWith(tree), 'entry');
    expect(warnings).toEqual([]);
    expect(record?.entities['account']?.messages['Deposit']?.schema).toEqual(tree);
  });

  it('leaves out types and messages whose names cannot be any', () => {
    const text = `{"format":1,"serviceName":"bank","group":"g","incarnation":"i","entities":{
      "__proto__":{"messages":{}},"../x":{"messages":{}},
      "account":{"messages":{"constructor":{"kind":"command"},"a b":{"kind":"command"},"Fine":{"kind":"query"},"Odd":{"kind":"event"}}}}}`;
    const { record, warnings } = readServiceRecord(text, 'entry');
    expect(Object.keys(record?.entities ?? {})).toEqual(['account']);
    expect(Object.keys(record?.entities['account']?.messages ?? {})).toEqual(['Fine']);
    expect(warnings).toHaveLength(5);
    expect(({} as { messages?: unknown }).messages).toBeUndefined();
  });

  it('never throws and never hangs, whatever stands in a record', () => {
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.dictionary(
          fc.constantFrom(
            'type',
            '$ref',
            '$defs',
            'allOf',
            'items',
            'properties',
            'enum',
            'not',
            'required',
            'pattern',
            '__proto__',
            'then',
          ),
          tie('node'),
        ),
        fc.constantFrom('#', '#/$defs/a', '#/properties/items', 'string', '\u0000', '\u001b[2J'),
        fc.array(tie('node'), { maxLength: 4 }),
      ),
    })).node;
    const entity = fc.record({
      messages: fc.dictionary(
        fc.string(),
        fc.record({ kind: fc.constantFrom('command', 'query', 'x'), schema: value, replySchema: value }),
      ),
    });
    const record = fc.record({
      format: fc.constantFrom(1, 1, 1, 2, '1'),
      serviceName: fc.oneof(fc.string(), fc.constant('bank')),
      group: fc.constant('g'),
      incarnation: fc.constant('i'),
      startedAt: fc.oneof(fc.integer(), fc.string()),
      entities: fc.oneof(fc.dictionary(fc.oneof(fc.string(), fc.constant('account')), fc.oneof(entity, value)), value),
    });
    fc.assert(
      fc.property(fc.oneof(record, value), (given) => {
        const read = readServiceRecord(JSON.stringify(given) ?? '', 'entry');
        expect(read.record === undefined ? read.warnings.length : 1).toBeGreaterThan(0);
        const { snapshot } = mergeRecords(
          [read.record, read.record].filter((each) => each !== undefined) as ServiceRecord[],
        );
        for (const each of Object.values(snapshot.entities))
          for (const message of Object.values(each.messages)) expect(schemaText(message.schema)).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 200 },
    );
  });
});

describe('readSnapshot', () => {
  it('reads what was saved, and refuses another version', () => {
    const { record } = readServiceRecord(recordWith({ type: 'object' }), 'entry');
    const { snapshot } = mergeRecords(record === undefined ? [] : [record]);
    expect(readSnapshot(JSON.stringify(snapshot))).toEqual({ snapshot, warnings: [] });
    expect(readSnapshot('{"format":9}')).toBe('is of format 9, and this version reads format 1');
    expect(readSnapshot('{')).toBe('is not JSON');
  });
});
