/**
 * What handlers of a simulated life send with their completions, and the rule for it: each message of a completed attempt
 * arrives exactly once, what one entity sends to another keeps its order, and nothing of any other attempt arrives (M15).
 *
 * Owns: the notes of what each attempt has sent. What became of it is told by the history.
 */
import type { MessageContext } from '../../entity/message-context.js';
import type { HistoryEvent } from '../history.js';
import type { Job } from './simulation-jobs.js';

interface Noted {
  readonly id: string;
  readonly attempt: number;
  /** `type/id` */
  readonly from: string;
  readonly sent: { readonly call: string; readonly to: string }[];
}

export class OutgoingLedger {
  private readonly attempts = new Map<string, Noted>();

  /** A handler has enqueued a job, and was not refused. */
  note({ id, attempt, entityType, entityId }: MessageContext, job: Job): void {
    const key = `${id} ${attempt}`;
    let noted = this.attempts.get(key);
    if (noted === undefined) {
      noted = { id, attempt, from: `${entityType}/${entityId}`, sent: [] };
      this.attempts.set(key, noted);
    }
    noted.sent.push({ call: job.call, to: `${job.type}/${job.id}` });
  }

  /** In words, what is wrong with what arrived. The history must be at its end, with nothing on its way. */
  judge(events: readonly HistoryEvent[]): readonly string[] {
    const faults: string[] = [];
    const arrivals = new Map<string, number[]>();
    const attempts = new Map<string, number>();
    const completed: string[] = [];
    events.forEach((event, place) => {
      if (event.type === 'accepted' && event.from === 'handler' && event.call !== undefined)
        arrivals.set(event.call, [...(arrivals.get(event.call) ?? []), place]);
      else if (event.type === 'dispatched') attempts.set(event.id, event.attempt);
      else if (event.type === 'ended' && event.state === 'completed') completed.push(event.id);
    });
    const counts = new Set(completed.map((id) => `${id} ${attempts.get(id) ?? 0}`));
    for (const [key, { id, attempt, sent }] of this.attempts) {
      const expected = counts.has(key) ? 1 : 0;
      for (const { call } of sent) {
        const found = arrivals.get(call)?.length ?? 0;
        if (found === expected) continue;
        const what = expected === 1 ? 'completed' : 'did not complete';
        faults.push(`attempt ${attempt} of ${id} ${what}, and what it sent as ${call} arrived ${found} times`);
      }
    }
    return [...faults, ...this.disorder(completed, attempts, arrivals)];
  }

  private disorder(
    completed: readonly string[],
    attempts: ReadonlyMap<string, number>,
    arrivals: ReadonlyMap<string, readonly number[]>,
  ): string[] {
    const faults: string[] = [];
    const last = new Map<string, { readonly call: string; readonly place: number }>();
    for (const id of completed) {
      const noted = this.attempts.get(`${id} ${attempts.get(id) ?? 0}`);
      for (const { call, to } of noted?.sent ?? []) {
        const place = arrivals.get(call)?.[0];
        if (noted === undefined || place === undefined) continue;
        const pair = `${noted.from} -> ${to}`;
        const before = last.get(pair);
        if (before !== undefined && before.place > place)
          faults.push(`${pair}: ${call} arrived before ${before.call}, which was sent first`);
        last.set(pair, { call, place });
      }
    }
    return faults;
  }
}
