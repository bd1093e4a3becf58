/** What the load asks for: mostly withdrawals, so that the money runs out and the last cents are fought over. */

export type Operation =
  | { readonly kind: 'deposit' | 'withdrawal'; readonly id: string; readonly cents: number }
  | { readonly kind: 'transfer'; readonly id: string; readonly to: string; readonly cents: number };

export const OPENING_CENTS = 50_000;
const DEPOSIT_CENTS = 1_000;
const WITHDRAWAL_CENTS = 1_000;
const TRANSFER_CENTS = 500;

/** 60% withdrawals, 20% deposits, 20% transfers. */
export function nextOperation(ids: readonly string[]): Operation {
  const at = Math.floor(Math.random() * ids.length);
  const id = ids[at] ?? '';
  const dice = Math.random();
  if (dice < 0.6) return { kind: 'withdrawal', id, cents: WITHDRAWAL_CENTS };
  if (dice < 0.8) return { kind: 'deposit', id, cents: DEPOSIT_CENTS };
  const other = (at + 1 + Math.floor(Math.random() * (ids.length - 1))) % ids.length;
  return { kind: 'transfer', id, to: ids[other] ?? '', cents: TRANSFER_CENTS };
}

export interface HttpRequest {
  readonly method: 'POST';
  readonly path: string;
  readonly headers: { readonly 'content-type': string };
  readonly body: string;
}

export function requestOf(operation: Operation, path: string): HttpRequest {
  const { kind, id, cents } = operation;
  return {
    method: 'POST',
    path: `${path}/${id}/${kind}s`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(kind === 'transfer' ? { to: operation.to, cents } : { cents }),
  };
}
