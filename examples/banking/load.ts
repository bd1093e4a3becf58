/**
 * The load, in a process of its own so that it does not share a thread with the service: autocannon sends withdrawals,
 * deposits and transfers over a few accounts, and a ledger notes what the service accepted. Started by `measure.ts`, which
 * sends a `LoadPlan` and gets a `LoadResult`.
 */
import autocannon from 'autocannon';
import { Ledger, type LedgerEntry } from './ledger.js';
import { nextOperation, type Operation, requestOf } from './operations.js';

export interface LoadPlan {
  readonly url: string;
  /** The path before the account id, e.g. `/queued/accounts`. */
  readonly path: string;
  readonly accountIds: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  /** Answered requests. */
  readonly requests: number;
  readonly accepted: number;
  /** Refused by the bank: 409. */
  readonly rejected: number;
  /** Other answers, and requests without an answer. */
  readonly errors: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What was accepted, per account id. */
  readonly ledger: Readonly<Record<string, LedgerEntry>>;
}

async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const ledger = new Ledger(plan.accountIds);
  const count = { sent: 0, accepted: 0, rejected: 0, errors: 0 };
  const answered = (): number => count.accepted + count.rejected + count.errors;

  const request: autocannon.Request = {
    setupRequest: (defaults, context) => {
      const operation = nextOperation(plan.accountIds);
      (context as { operation?: Operation }).operation = operation;
      count.sent += 1;
      return { ...defaults, ...requestOf(operation, plan.path) };
    },
    onResponse: (status, _body, context) => {
      const { operation } = context as { operation?: Operation };
      if (operation !== undefined && status >= 200 && status < 300) {
        count.accepted += 1;
        ledger.note(operation);
      } else if (status === 409) count.rejected += 1;
      else count.errors += 1;
    },
  };

  const startedAt = performance.now();
  const deadline = startedAt + plan.seconds * 1000;
  let endedAt = startedAt;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: plan.url,
        connections: plan.connections,
        requests: [request],
        // Only a limit, for a service that stops answering: the connections end by themselves, see below.
        duration: plan.seconds + 20,
        sampleInt: 100,
      },
      (error: unknown, outcome) => (error ? reject(error as Error) : resolve(outcome)),
    );
    run.on('response', (client) => {
      endedAt = performance.now();
      // Autocannon cuts its connections when the time is up, and nobody would know what became of the last requests.
      // Telling each connection that it has made enough of them lets it end after an answer instead.
      if (endedAt >= deadline) (client as autocannon.Client & { responseMax?: number }).responseMax = 1;
    });
  });
  return {
    requests: answered(),
    accepted: count.accepted,
    rejected: count.rejected,
    errors: count.errors + (count.sent - answered()),
    requestsPerSecond: Math.round((answered() * 1000) / (endedAt - startedAt)),
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    ledger: ledger.entries,
  };
}

// The service is gone, or wants no more load: so is this process.
process.once('disconnect', () => process.exit());
process.once('message', (plan) => {
  runLoad(plan as LoadPlan).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
