/** A node's part in the registry, under a virtual clock. */
import { describe, expect, it } from 'vitest';
import type { ContractRegistry } from '../../../src/contracts/contract-registry.js';
import type { ServiceRecord } from '../../../src/contracts/contract-snapshot.js';
import { MemoryRegistry, MemoryRegistryState } from '../../../src/contracts/memory-registry.js';
import { Registration } from '../../../src/contracts/registration.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

const HEARTBEAT_MS = 1_000;
const TTL_MS = 3_000;

function record(serviceName: string, types: readonly string[], type = 'number'): ServiceRecord {
  const messages = { M: { kind: 'command', schema: { type } } } as const;
  const entities = Object.fromEntries(types.map((each) => [each, { messages }]));
  return { format: 1, serviceName, group: 'g', incarnation: `${serviceName}-1`, startedAt: 1, entities };
}

describe('Registration', () => {
  const runtime = new VirtualRuntime({ seed: 1 });

  function registration(own: ServiceRecord, registry: ContractRegistry, warnings: string[] = []): Registration {
    const logger = { ...silentLogger, warn: (text: string) => void warnings.push(text) };
    const options = { runtime, logger, registry, heartbeatMs: HEARTBEAT_MS, ttlMs: TTL_MS };
    return new Registration({ ...options, record: () => ({ record: own, warnings: [] }) });
  }

  it('publishes, learns of others with its heartbeats, and forgets those that are silent', async () => {
    const state = new MemoryRegistryState();
    const registry = new MemoryRegistry(runtime.clock, state);
    const one = registration(record('one', ['a']), registry);
    const two = registration(record('two', ['b']), registry);
    await one.open();
    await two.open();
    expect(Object.keys(two.picture.snapshot.entities)).toEqual(['a', 'b']);
    expect(Object.keys(one.picture.snapshot.entities)).toEqual(['a']);
    await runtime.advance(HEARTBEAT_MS);
    expect(Object.keys(one.picture.snapshot.entities)).toEqual(['a', 'b']);
    await runtime.advance(10 * TTL_MS);
    expect(Object.keys((await one.look()).snapshot.entities)).toEqual(['a', 'b']);

    // One that is killed says nothing any more.
    state.entries.set('dead-1', {
      text: JSON.stringify(record('dead', ['c'])),
      endsAt: runtime.clock.monotonic() + TTL_MS,
    });
    state.token += 1;
    await runtime.advance(HEARTBEAT_MS);
    expect(Object.keys(one.picture.snapshot.entities)).toEqual(['a', 'b', 'c']);
    await runtime.advance(TTL_MS);
    expect(Object.keys(one.picture.snapshot.entities)).toEqual(['a', 'b']);

    await two.close();
    expect(Object.keys((await one.look()).snapshot.entities)).toEqual(['a']);
    await one.close();
    expect(state.entries.size).toBe(0);
    expect(runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });

  it('tells a conflict at the start by its names and values, and leaves nothing behind', async () => {
    const state = new MemoryRegistryState();
    const registry = new MemoryRegistry(runtime.clock, state);
    const one = registration(record('one', ['a']), registry);
    await one.open();
    const two = registration(record('two', ['a'], 'string'), registry);
    await expect(two.open()).rejects.toMatchObject({
      code: 'SCHEMA_CONFLICT',
      message: expect.stringContaining(
        '"M" of entity type "a", schema of the payload, services "one" and "two": /type/0: "number" and "string"',
      ),
    });
    expect([...state.entries.keys()]).toEqual(['one-1']);
    await two.close();
    await one.close();
  });

  it('looks again when somebody publishes between its look and its word, so that two cannot contradict each other', async () => {
    const state = new MemoryRegistryState();
    const registry = new MemoryRegistry(runtime.clock, state);
    const rival = registration(record('rival', ['a'], 'string'), new MemoryRegistry(runtime.clock, state));
    let isFirst = true;
    const raced: ContractRegistry = {
      read: async () => {
        const reading = await registry.read();
        if (isFirst) {
          isFirst = false;
          await rival.open();
        }
        return reading;
      },
      publish: (...args) => registry.publish(...args),
      beat: (...args) => registry.beat(...args),
      leave: (...args) => registry.leave(...args),
    };
    await expect(registration(record('one', ['a']), raced).open()).rejects.toMatchObject({ code: 'SCHEMA_CONFLICT' });
    await rival.close();
  });

  it('goes on when the registry does not answer, publishes again when it was forgotten, and warns once', async () => {
    const state = new MemoryRegistryState();
    const inner = new MemoryRegistry(runtime.clock, state);
    let isAway = false;
    const answer = <T>(action: () => Promise<T>): Promise<T> => (isAway ? Promise.reject(new Error('away')) : action());
    const registry: ContractRegistry = {
      read: () => answer(() => inner.read()),
      publish: (...args) => answer(() => inner.publish(...args)),
      beat: (...args) => answer(() => inner.beat(...args)),
      leave: (...args) => answer(() => inner.leave(...args)),
    };
    const warnings: string[] = [];
    const one = registration(record('one', ['a']), registry, warnings);
    await one.open();
    isAway = true;
    await runtime.advance(2 * TTL_MS);
    expect(Object.keys(one.picture.snapshot.entities)).toEqual(['a']);
    expect(await one.look()).toMatchObject({
      snapshot: { entities: { a: {} } },
      warnings: [{ service: 'the registry', reason: expect.stringContaining('it does not answer (away)') }],
    });
    isAway = false;
    state.entries.set('odd', { text: 'odd', endsAt: Number.POSITIVE_INFINITY });
    await runtime.advance(5 * HEARTBEAT_MS);
    expect(state.entries.has('one-1')).toBe(true);
    expect(warnings).toEqual(['Contracts: service "odd": its record is not JSON; it is ignored.']);
    isAway = true;
    await one.close();
    expect(runtime.pending).toEqual({ timers: 0, deferred: 0 });
  });
});
