import { describe, expect, it } from 'vitest';
import type { MessageContract, ServiceRecord } from '../../../src/contracts/contract-snapshot.js';
import { mergeRecords } from '../../../src/contracts/merge-records.js';

const amount = (type: string): MessageContract => ({
  kind: 'command',
  schema: { type: 'object', properties: { amount: { type } }, required: ['amount'] },
});

function record(
  serviceName: string,
  messages: Record<string, MessageContract>,
  more: Partial<ServiceRecord> = {},
): ServiceRecord {
  const incarnation = `${serviceName}-${more.startedAt ?? 0}`;
  return { format: 1, serviceName, group: 'g', incarnation, entities: { account: { messages } }, ...more };
}

describe('mergeRecords', () => {
  it('gives the same picture whatever the order of the records', () => {
    const records = [
      record('bank', { Deposit: amount('number') }, { startedAt: 1 }),
      record('bank', { Deposit: amount('number'), Close: { kind: 'command' } }, { startedAt: 2 }),
      record('shop', { Look: { kind: 'query' } }, { entities: { cart: { messages: { Look: { kind: 'query' } } } } }),
    ];
    const merged = mergeRecords(records);
    expect(mergeRecords([...records].reverse())).toEqual(merged);
    expect(Object.keys(merged.snapshot.entities)).toEqual(['account', 'cart']);
    expect(merged.snapshot.entities['account']).toMatchObject({ group: 'g', services: ['bank'] });
    expect(Object.keys(merged.snapshot.entities['account']?.messages ?? {})).toEqual(['Close', 'Deposit']);
    expect(merged.conflicts).toEqual([]);
    expect(merged.warnings).toEqual([]);
  });

  it('names type, message, both services and what differs when two services own one type with different schemas', () => {
    const merged = mergeRecords([
      record('bank', { Deposit: amount('number') }, { startedAt: 1 }),
      record('rival', { Deposit: amount('string') }, { startedAt: 2 }),
    ]);
    expect(merged.conflicts).toEqual([
      {
        entityType: 'account',
        message: 'Deposit',
        what: 'schema',
        services: ['bank', 'rival'],
        difference: '/properties/amount/type/0: "number" and "string"',
      },
    ]);
    expect(merged.snapshot.entities['account']?.messages['Deposit']).toEqual(amount('number'));
    expect(merged.snapshot.entities['account']?.services).toEqual(['bank', 'rival']);
  });

  it('only warns when the processes of one service differ, and believes the newest', () => {
    const merged = mergeRecords([
      record('bank', { Deposit: amount('string') }, { startedAt: 2 }),
      record('bank', { Deposit: amount('number') }, { startedAt: 1 }),
    ]);
    expect(merged.conflicts).toEqual([]);
    expect(merged.warnings).toHaveLength(1);
    expect(merged.warnings[0]).toMatchObject({ service: 'bank', entityType: 'account', message: 'Deposit' });
    expect(merged.snapshot.entities['account']?.messages['Deposit']).toEqual(amount('string'));
  });

  it('sees a difference of kind and of group, and none in what only describes', () => {
    const described: MessageContract = {
      kind: 'command',
      schema: {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        title: 'x',
        required: ['amount'],
        properties: { amount: { type: ['number'] } },
        type: 'object',
      },
    };
    expect(mergeRecords([record('a', { M: amount('number') }), record('b', { M: described })]).conflicts).toEqual([]);
    const { conflicts } = mergeRecords([
      record('a', { M: { kind: 'command' } }),
      record('b', { M: { kind: 'query' } }, { group: 'h' }),
    ]);
    expect(conflicts.map(({ what, difference }) => [what, difference])).toEqual([
      ['group', 'group "g" and group "h"'],
      ['kind', 'command and query'],
    ]);
  });

  it('lets a service without a schema stand beside one that has it', () => {
    const merged = mergeRecords([record('a', { M: { kind: 'command' } }), record('b', { M: amount('number') })]);
    expect(merged.conflicts).toEqual([]);
    expect(merged.snapshot.entities['account']?.messages['M']).toEqual(amount('number'));
  });
});
