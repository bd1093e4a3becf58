import { describe, expect, it } from 'vitest';
import { TypedEvents } from '../../../src/runtime/typed-events.js';

interface Events {
  a: number;
  b: string;
}

describe('typed events', () => {
  it('reach every listener in the order in which they were added, and none that was removed', () => {
    const events = new TypedEvents<Events>();
    const seen: string[] = [];
    const stop = events.on('a', (value) => void seen.push(`first ${value}`));
    events.on('a', (value) => void seen.push(`second ${value}`));
    events.emit('a', 1);
    stop();
    stop();
    events.emit('a', 2);
    events.emit('b', 'nobody');
    expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
    expect([events.wants('a'), events.wants('b')]).toEqual([true, false]);
  });

  it('survive a listener that throws, which is reported, and one that changes the list', () => {
    const faults: unknown[] = [];
    const events = new TypedEvents<Events>((error, name) => void faults.push([error, name]));
    const seen: number[] = [];
    const error = new Error('mine');
    events.on('a', () => {
      events.on('a', (value) => void seen.push(-value));
      throw error;
    });
    events.on('a', (value) => void seen.push(value));
    events.emit('a', 1);
    expect(seen).toEqual([1]);
    expect(faults).toEqual([[error, 'a']]);
    events.emit('a', 2);
    expect(seen).toEqual([1, 2, -2]);
  });

  it('once gives the next one that is accepted, and listens no longer', async () => {
    const events = new TypedEvents<Events>();
    const next = events.once('a', (value) => value > 5);
    events.emit('a', 3);
    events.emit('a', 7);
    events.emit('a', 9);
    expect(await next).toBe(7);
    expect(events.wants('a')).toBe(false);
  });
});
