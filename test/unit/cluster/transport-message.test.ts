import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAssignment, parseNodeRecord } from '../../../src/cluster/cluster-records.js';
import { transportMessageOf } from '../../../src/cluster/transport/transport-message.js';
import { nodeRecord } from './records.js';

describe('reading what others wrote', () => {
  it('brings messages, records and tables back as they were', () => {
    const message = {
      type: 'ask',
      id: 'q',
      replyTo: 'b',
      shard: 0,
      entityType: 't',
      entityId: '',
      name: 'n',
      payload: '1',
    };
    expect(transportMessageOf(message)).toEqual(message);
    const record = nodeRecord('a', { shards: { 3: 4, 10: 0 } });
    expect(parseNodeRecord('a', JSON.stringify({ ...record, newer: true }))).toEqual(record);
    const table = { term: 2, version: 3, master: 'a', nodes: ['a', ''] };
    expect(parseAssignment(JSON.stringify({ ...table, newer: true }))).toEqual(table);
  });

  it('does not take a wish about one entity for one about its whole type', () => {
    const operate = (operation: unknown) =>
      transportMessageOf({ type: 'operate', id: 'o', replyTo: 'b', shard: 1, operation });
    expect(operate({ type: 'purge', entityType: 'account', entityId: null })).toBeUndefined();
    expect(operate({ type: 'purge', entityType: 'account' })).toMatchObject({ operation: { entityType: 'account' } });
    expect(operate({ type: 'drop', entityType: 'account' })).toBeUndefined();
  });

  it('never throws and never passes on what is not of its kind', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(transportMessageOf(value)).toBeUndefined();
      }),
    );
    const damaged = fc.tuple(fc.constantFrom(...Object.keys(nodeRecord('a'))), fc.jsonValue());
    fc.assert(
      fc.property(damaged, ([field, value]) => {
        const read = parseNodeRecord('a', JSON.stringify({ ...nodeRecord('a'), [field]: value }));
        if (read === undefined) return;
        expect(Number.isSafeInteger(read.beat) && read.beat >= 0).toBe(true);
        expect(read.types.every((type) => typeof type === 'string')).toBe(true);
        expect(['up', 'sender', 'leaving']).toContain(read.state);
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseNodeRecord(text, text)).toBeUndefined();
        expect(parseAssignment(text)).toBeUndefined();
      }),
    );
  });
});
