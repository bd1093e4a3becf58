/** Measures one side: opens its accounts, puts it under load from another process, and checks what is left. */
import { fork } from 'node:child_process';
import type { Account } from './accounts/account.js';
import { AccountsRepository } from './accounts/accounts.repository.js';
import { checkIntegrity, type Integrity } from './integrity.js';
import type { LoadPlan, LoadResult } from './load.js';
import { OPENING_CENTS } from './operations.js';
import type { Service } from './service.js';

export type Side = 'naive' | 'queued';

export interface SideReport extends Omit<LoadResult, 'ledger'>, Integrity {}

/** Few accounts and many connections: that is where requests meet. */
export const ACCOUNTS = 4;
export const CONNECTIONS = 32;

/** `signal` ends the load early, and the measurement with an error. */
export async function measure(service: Service, side: Side, seconds: number, signal: AbortSignal): Promise<SideReport> {
  const path = `/${side}/accounts`;
  const accountIds = Array.from({ length: ACCOUNTS }, (_, index) => `${side}-${index + 1}`);
  for (const id of accountIds) await openAccount(service.url + path, id);
  const repository = service.app.get(AccountsRepository);
  const read = (): Promise<Account[]> => Promise.all(accountIds.map((id) => repository.get(id)));

  const before = await read();
  const plan: LoadPlan = { url: service.url, path, accountIds, connections: CONNECTIONS, seconds };
  const { ledger, ...load } = await runLoad(plan, signal);
  // The receiving half of a transfer may still be in line. A query waits in the same line, behind everything that was
  // accepted before it, so once every account has answered one, nothing is under way any more.
  for (const id of accountIds) await fetchOk(`${service.url}${path}/${id}`);
  return { ...load, ...checkIntegrity(before, await read(), ledger, load.errors) };
}

async function openAccount(url: string, id: string): Promise<void> {
  await fetchOk(
    url,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, openingCents: OPENING_CENTS }),
    },
    // With --keep it is there from the last time.
    [409],
  );
}

async function fetchOk(url: string, init: RequestInit = {}, fineStatuses: readonly number[] = []): Promise<void> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok && !fineStatuses.includes(response.status)) {
    throw new Error(`${init.method ?? 'GET'} ${url} was answered with ${response.status}: ${text}`);
  }
}

async function runLoad(plan: LoadPlan, signal: AbortSignal): Promise<LoadResult> {
  // Its output goes to stderr: stdout belongs to the figures.
  const child = fork(new URL('./load.js', import.meta.url), { stdio: ['ignore', 2, 2, 'ipc'], signal });
  try {
    return await new Promise<LoadResult>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, killedBy) =>
        reject(new Error(`The load generator ended early (${killedBy ?? `exit code ${code}`}).`)),
      );
      child.once('message', (result) => resolve(result as LoadResult));
      child.send(plan);
    });
  } finally {
    if (child.connected) child.disconnect();
  }
}
