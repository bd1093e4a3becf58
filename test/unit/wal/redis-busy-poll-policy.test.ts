import { describe, expect, it } from 'vitest';
import { BusyPollPolicy } from '../../../src/wal/redis/busy-poll-policy.js';

const BLOCK = 64;

/** Milliseconds that a call takes, by whether it is polled for. */
interface Machine {
  readonly polling: number;
  readonly sleeping: number;
}

/** Runs so many blocks, and tells of each how it went: `p`olling or `s`leeping. */
function run(policy: BusyPollPolicy, machine: Machine, blocks: number): string {
  let ways = '';
  for (let block = 0; block < blocks; block++) {
    ways += policy.polls ? 'p' : 's';
    for (let call = 0; call < BLOCK; call++)
      policy.took(policy.block, policy.polls ? machine.polling : machine.sleeping);
  }
  return ways;
}

function count(ways: string, way: string): number {
  return ways.split(way).length - 1;
}

describe('whether busy polling pays', () => {
  it('is tried, and polling kept where it was at least 15% faster twice', () => {
    const policy = new BusyPollPolicy();
    expect(run(policy, { polling: 0.08, sleeping: 0.12 }, 8)).toBe('spsppppp');
    const ways = run(policy, { polling: 0.08, sleeping: 0.12 }, 330);
    expect(count(ways, 's')).toBeLessThanOrEqual(11);
    expect(count(ways, 's')).toBeGreaterThanOrEqual(9);
  });

  it('is denied where it takes off less than that, and asked again in one of 33 blocks', () => {
    const policy = new BusyPollPolicy();
    const ways = run(policy, { polling: 0.11, sleeping: 0.12 }, 331);
    expect(count(ways, 'p')).toBeLessThanOrEqual(11);
    expect(count(ways, 'p')).toBeGreaterThanOrEqual(10);
    expect(ways).not.toContain('pp');
  });

  it('is not decided by one lucky block', () => {
    const policy = new BusyPollPolicy();
    run(policy, { polling: 0.12, sleeping: 0.12 }, 10);
    while (!policy.polls) run(policy, { polling: 0.12, sleeping: 0.12 }, 1);
    expect(run(policy, { polling: 0.05, sleeping: 0.12 }, 1)).toBe('p');
    const ways = run(policy, { polling: 0.12, sleeping: 0.12 }, 10);
    expect(ways).toBe('spssssssss');
  });

  it('is not tried where sleeping round trips are longer than 0.6 ms, until they are shorter', () => {
    const policy = new BusyPollPolicy();
    expect(run(policy, { polling: 0.1, sleeping: 0.61 }, 100)).toBe('s'.repeat(100));
    expect(run(policy, { polling: 0.1, sleeping: 0.2 }, 10)).toContain('pp');
  });

  it('ends with the first block whose calls take longer than 0.6 ms', () => {
    const policy = new BusyPollPolicy();
    run(policy, { polling: 0.08, sleeping: 0.12 }, 10);
    expect(run(policy, { polling: 1.4, sleeping: 1.4 }, 50)).toBe(`p${'s'.repeat(49)}`);
  });

  it('ends where sleeping has become as good', () => {
    const policy = new BusyPollPolicy();
    run(policy, { polling: 0.08, sleeping: 0.12 }, 10);
    const ways = run(policy, { polling: 0.12, sleeping: 0.12 }, 100);
    expect(ways.slice(-20)).not.toContain('pp');
  });

  it('counts a long stall for what it was, up to 100 ms: polling may take time from others in few calls', () => {
    const policy = new BusyPollPolicy();
    let ways = '';
    for (let block = 0; block < 200; block++) {
      ways += policy.polls ? 'p' : 's';
      for (let call = 0; call < BLOCK; call++) {
        const stalled = policy.polls && call === 30;
        policy.took(policy.block, stalled ? 50 : policy.polls ? 0.08 : 0.12);
      }
    }
    expect(ways).not.toContain('pp');
  });

  it('is not talked into polling by stalls that have nothing to do with it', () => {
    const policy = new BusyPollPolicy();
    let polled = 0;
    let calls = 0;
    for (let block = 0; block < 3_000; block++) {
      if (policy.polls) polled += 1;
      for (let call = 0; call < BLOCK; call++) {
        calls += 1;
        policy.took(policy.block, calls % 2_003 === 0 ? 20 : 0.12);
      }
    }
    expect(polled / 3_000).toBeLessThan(0.06);
  });

  it('is not decided by a clock that stands still', () => {
    const policy = new BusyPollPolicy();
    expect(run(policy, { polling: 0, sleeping: 0 }, 100)).not.toContain('pp');
  });

  it('leaves out calls that began in an earlier block', () => {
    const policy = new BusyPollPolicy();
    run(policy, { polling: 0.08, sleeping: 0.12 }, 1);
    expect(policy.polls).toBe(true);
    for (let call = 0; call < 500; call++) policy.took(0, 5);
    expect([policy.block, policy.polls]).toEqual([1, true]);
  });
});
