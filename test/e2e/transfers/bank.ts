/** Kills the processes of a bank again and again under load, and then counts the money: none may be lost or made (M15). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
const ACCOUNTS = 12;
const CENTS = 1_000;
export const MONEY = ACCOUNTS * CENTS;
/** Nothing that a child does before it tells of a transfer takes longer, also on a slow machine. */
const HANGS_AFTER_MS = 60_000;

export interface Bank {
  readonly config: AtomicQueuesConfig;
  /** `state`: nothing but the state, the messages and the replies; many transfers share a commit. */
  readonly effects: 'any' | 'state';
  /** Processes at work at one time, with a `serverId` each. */
  readonly processes: number;
}

export interface Audit {
  readonly money: number;
  readonly sent: number;
  readonly received: number;
  readonly interrupted: number;
}

/** Kills so many times, each time one process that is at work, and starts another one in its place. */
export async function killAgainAndAgain(bank: Bank, kills: number, random: () => number): Promise<void> {
  const alive = new Map<number, Child>();
  for (let index = 0; index < bank.processes; index += 1) alive.set(index, startChild(bank, 'load', index));
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const index = Math.floor(random() * bank.processes);
      const child = alive.get(index) as Child;
      await child.transfers(1 + Math.floor(random() * 12));
      await child.end();
      alive.set(index, startChild(bank, 'load', index));
    }
  } finally {
    await Promise.all([...alive.values()].map((child) => child.end()));
  }
}

export async function audit(bank: Bank): Promise<Audit> {
  const child = startChild(bank, 'audit', 99);
  const text = await child.output();
  return JSON.parse(text) as Audit;
}

interface Child {
  /** Resolves when so many tens of transfers were answered. */
  transfers(count: number): Promise<void>;
  end(): Promise<void>;
  output(): Promise<string>;
}

function startChild({ config, effects }: Bank, mode: 'load' | 'audit', index: number): Child {
  const cluster = config.redis === undefined ? undefined : { ...config.cluster, serverId: `bank-${index}` };
  const plan = { mode, accounts: ACCOUNTS, cents: CENTS, effects, config: { ...config, ...(cluster && { cluster }) } };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const output = { out: '', err: '' };
  const [, stdout, stderr, signs] = child.stdio as unknown as [null, Readable, Readable, Readable];
  stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  stderr.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: String(signal),
  }));
  let heard = 0;
  let told: () => void = () => {};
  signs.on('data', (piece: Buffer) => {
    heard += piece.length;
    told();
  });
  const watchdog = setTimeout(() => child.kill('SIGKILL'), HANGS_AFTER_MS);
  void exited.then(() => {
    clearTimeout(watchdog);
    told();
  });
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const failed = (): Error => new Error(`A process of the bank ended by itself.\n${output.err}`);
  return {
    transfers: async (count) => {
      const until = heard + count;
      while (heard < until) {
        if (isOver()) throw failed();
        await new Promise<void>((resolve) => {
          told = resolve;
        });
      }
    },
    end: async () => {
      if (!isOver()) child.kill('SIGKILL');
      const { signal } = await exited;
      if (signal !== 'SIGKILL') throw failed();
    },
    output: async () => {
      const { code } = await exited;
      if (code !== 0) throw failed();
      return output.out;
    },
  };
}
