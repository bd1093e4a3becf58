import { describe, expect, it } from 'vitest';
import { nextTime, planReminder, type Recurrence } from '../../../src/entity/recurrence.js';
import { type ReminderSchedule, recurrenceOf } from '../../../src/entity/reminder-schedule.js';
import type { AtomicQueuesError } from '../../../src/message/errors.js';

const NOW = Date.parse('2026-03-27T12:00:00Z');
const at = (text: string): number => Date.parse(text);
const of = (schedule: ReminderSchedule, now = NOW) => recurrenceOf('it', schedule, now, {});

function times(recurrence: Recurrence, after: number, count: number): string[] {
  const found: string[] = [];
  let last = after;
  for (let index = 0; index < count; index += 1) {
    const next = nextTime(recurrence, last);
    if (next === undefined) break;
    found.push(new Date(next).toISOString());
    last = next;
  }
  return found;
}

function refusal(schedule: unknown): AtomicQueuesError {
  try {
    of(schedule as ReminderSchedule);
  } catch (error) {
    return error as AtomicQueuesError;
  }
  throw new Error('It was not refused.');
}

describe('the times of a reminder', () => {
  it('counts an interval from its first run', () => {
    const { recurrence, firstAt } = of({ everyMs: 60_000 });
    expect(firstAt).toBe(NOW + 60_000);
    expect(nextTime(recurrence, firstAt)).toBe(NOW + 120_000);
    expect(nextTime(recurrence, NOW + 150_500)).toBe(NOW + 180_000);
  });

  it('keeps the rhythm that startAt gives, also when that has passed', () => {
    const { firstAt } = of({ everyMs: 3_600_000, startAt: at('2026-01-01T00:15:00Z') });
    expect(new Date(firstAt).toISOString()).toBe('2026-03-27T12:15:00.000Z');
  });

  it('begins with startAt when that is to come', () => {
    expect(of({ everyMs: 1_000, startAt: NOW + 5_500 }).firstAt).toBe(NOW + 5_500);
    expect(of({ cron: '0 0 * * *', startAt: new Date('2026-05-01T00:00:00Z') }).firstAt).toBe(
      at('2026-05-01T00:00:00Z'),
    );
  });

  it('runs once a day at a local time, on the days too on which the clock is put forward and back', () => {
    const { recurrence } = of({ cron: '30 2 * * *', timezone: 'Europe/Berlin' });
    // 02:30 does not exist on the 29th of March: it runs when that time has passed, once.
    expect(times(recurrence, at('2026-03-28T00:00:00Z'), 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    // 02:30 exists twice on the 25th of October: the first one counts.
    expect(times(recurrence, at('2026-10-24T12:00:00Z'), 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('counts cron in UTC unless a time zone is given', () => {
    expect(new Date(of({ cron: '0 9 * * 1' }).firstAt).toISOString()).toBe('2026-03-30T09:00:00.000Z');
  });

  it('ends after so many times, and after endAt', () => {
    const { recurrence: thrice, firstAt } = of({ cron: '0 * * * *', times: 3 });
    expect(times(thrice, firstAt - 1, 9)).toHaveLength(3);
    const { recurrence: ended } = of({ everyMs: 1_000, endAt: NOW + 2_500 });
    expect(times(ended, NOW, 9)).toHaveLength(2);
    const { recurrence: both } = of({ everyMs: 1_000, times: 9, endAt: NOW + 2_500 });
    expect(times(both, NOW, 9)).toHaveLength(2);
  });
});

describe('what an owner does with a reminder that is due', () => {
  const plan = (schedule: ReminderSchedule, notBefore: number, now: number) =>
    planReminder(JSON.stringify(of(schedule).recurrence), notBefore, now);

  it('leaves out what was missed, or makes up for all of it', () => {
    const due = NOW + 1_000;
    expect(plan({ everyMs: 1_000 }, due, NOW + 9_500)).toEqual({
      type: 'run',
      notBefore: NOW + 10_000,
      overlap: false,
    });
    expect(plan({ everyMs: 1_000, missed: 'all' }, due, NOW + 9_500)).toEqual({
      type: 'run',
      notBefore: NOW + 2_000,
      overlap: true,
    });
  });

  it('runs for the last time, and is over when it is looked at once more', () => {
    const schedule = { everyMs: 1_000, times: 1 };
    const last = plan(schedule, NOW + 1_000, NOW + 1_005);
    expect(last).toEqual({ type: 'run', notBefore: NOW + 1_006, overlap: false });
    expect(plan(schedule, NOW + 1_006, NOW + 1_006)).toEqual({ type: 'over' });
  });

  it('says so when it cannot read a schedule', () => {
    for (const text of ['', 'x', 'null', '7', '{}', '{"v":2}', '{"v":1,"name":"a","startAt":0,"missed":"skip"}'])
      expect(planReminder(text, NOW, NOW)).toEqual({ type: 'unreadable' });
    const bad = { v: 1, name: 'a', cron: 'nonsense', startAt: 0, missed: 'skip', overlap: false };
    expect(planReminder(JSON.stringify(bad), NOW, NOW)).toEqual({ type: 'unreadable' });
  });
});

describe('schedules that are refused at the call', () => {
  it.each([
    [{ cron: '0 0 30 2 *' }, /"0 0 30 2 \*" is never due\./],
    [{ cron: '0 0 1 1 *', endAt: NOW + 1 }, /never due between now and endAt/],
    [{ cron: '61 * * * *' }, /not a pattern that can be read/],
    [{ cron: 'x' }, /five, six or seven fields/],
    [{ cron: '2027-01-01T00:00:00' }, /five, six or seven fields/],
    [{ cron: 7 }, /cron must be a string/],
    [{ cron: '0 0 * * *', timezone: 'Mars/Olympus' }, /no time zone "Mars\/Olympus"/],
    [{ everyMs: 99 }, /everyMs must be a number of milliseconds from 100/],
    [{ everyMs: Number.NaN }, /everyMs must be/],
    [{ everyMs: 1_000, timezone: 'UTC' }, /timezone is for cron/],
    [{ everyMs: 1_000, endAt: NOW }, /never due between/],
    [{ everyMs: 1_000, times: 0 }, /times must be a whole number/],
    [{ everyMs: 1_000, startAt: new Date('x') }, /startAt must be a Date/],
    [{ everyMs: 1_000, missed: 'some' }, /missed must be/],
    [{ everyMs: 1_000, missed: 'all', overlap: false }, /contradict/],
    [{ everyMs: 1_000, overlap: 'yes' }, /overlap must be/],
    [{ everyMs: 1_000, cron: '* * * * *' }, /either cron or everyMs/],
    [{}, /either cron or everyMs/],
    [undefined, /must be an object/],
    [{ evryMs: 1_000 }, /no option "evryMs". Did you mean "everyMs"\?/],
  ])('refuses %j', (schedule, words) => {
    const error = refusal(schedule);
    expect(error.code).toBe('INVALID_PAYLOAD');
    expect(error.message).toMatch(words);
  });
});
