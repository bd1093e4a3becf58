/** The figures for people: a table, what it means, and what to try next. */
import Table from 'cli-table3';
import { ACCOUNTS, CONNECTIONS, type SideReport } from './measure.js';

export interface Report {
  readonly secondsPerSide: number;
  readonly accounts: number;
  readonly connections: number;
  readonly naive: SideReport;
  readonly queued: SideReport;
}

export function makeReport(secondsPerSide: number, naive: SideReport, queued: SideReport): Report {
  return { secondsPerSide, accounts: ACCOUNTS, connections: CONNECTIONS, naive, queued };
}

export function table({ naive, queued }: Report): string {
  const row = (label: string, show: (side: SideReport) => string): string[] => [label, show(naive), show(queued)];
  const rows = new Table({
    head: ['', 'CommandBus', 'QueueBus'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  rows.push(
    row('requests', (side) => count(side.requests)),
    row('accepted', (side) => count(side.accepted)),
    row('rejected (no funds)', (side) => count(side.rejected)),
    row('errors', (side) => count(side.errors)),
    row('lost updates', (side) => count(side.lostUpdates)),
    row('accounts overdrawn', (side) => count(side.overdrafts)),
    row('overdrawn by', (side) => money(side.overdrawnCents)),
    row('money in', (side) => money(side.moneyInCents)),
    row('money out, and still there', (side) => money(side.moneyOutCents)),
    row('money in = money out', (side) => (side.moneyInEqualsMoneyOut ? 'yes' : 'NO')),
    row('requests/s', (side) => count(side.requestsPerSecond)),
    row('p50', (side) => `${side.p50Ms} ms`),
    row('p99', (side) => `${side.p99Ms} ms`),
  );
  return rows.toString();
}

export function meaning({ naive, queued, connections, accounts }: Report): string {
  return [
    `${connections} connections fought over ${accounts} accounts, through the same command handlers and the same database.`,
    `CommandBus: ${verdict(naive)}`,
    `QueueBus:   ${verdict(queued)}`,
    'The difference is the bus: it durably queues each command and runs those of one account one at a time, in order.',
  ].join('\n');
}

function verdict(side: SideReport): string {
  if (side.kept) return 'nothing was lost, nobody was overdrawn, and every cent is accounted for.';
  const wrong: string[] = [];
  if (side.lostUpdates !== 0) wrong.push(`${count(side.lostUpdates)} accepted changes were overwritten by others`);
  if (side.overdrafts > 0) wrong.push(`${side.overdrafts} accounts paid out ${money(side.overdrawnCents)} too much`);
  if (!side.moneyInEqualsMoneyOut) {
    const cents = side.moneyOutCents - side.moneyInCents;
    wrong.push(`${money(Math.abs(cents))} ${cents > 0 ? 'came from nowhere' : 'vanished'}`);
  }
  if (side.errors > 0) wrong.push(`${count(side.errors)} requests ended in an error`);
  return `${wrong.join('; ')}.`;
}

export function thingsToTry(url: string, storePath: string): string {
  const post = (path: string, body: object): string =>
    `curl -sw "\\n" -X POST ${url}/queued/accounts${path} -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
  return [
    `The service is at ${url} (Ctrl+C stops it). Try, with /naive in place of /queued for the plain CommandBus:`,
    '',
    `  ${post('', { id: 'alice', openingCents: 10_000 })}`,
    `  ${post('/alice/withdrawals', { cents: 2_500 })}`,
    `  ${post('/alice/withdrawals', { cents: 99_999 })}`,
    `  ${post('/alice/transfers', { to: 'queued-1', cents: 1_000 })}`,
    `  ${post('/queued-1/deposits', { cents: 1_000 })}`,
    `  curl -sw "\\n" ${url}/queued/accounts/queued-1`,
    `  curl -sw "\\n" ${url}/queued/accounts`,
    `  node dist/cli/main.js counts --path ${storePath}`,
    '',
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function money(cents: number): string {
  return (cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
