/** The banking example as a stranger starts it: by its script, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));

interface SideFigures {
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: number;
  readonly lostUpdates: number;
  readonly overdrafts: number;
  readonly overdrawnCents: number;
  readonly moneyInCents: number;
  readonly moneyOutCents: number;
  readonly moneyInEqualsMoneyOut: boolean;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly kept: boolean;
}

function startExample(...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  onTestFinished(async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    await ended;
  });
  return { child, ended };
}

async function firstLineWith(stream: NodeJS.ReadableStream, text: string): Promise<string> {
  for await (const line of createInterface({ input: stream })) if (line.includes(text)) return line;
  throw new Error(`The output ended without "${text}".`);
}

describe('the banking example', () => {
  it('keeps every cent on the QueueBus side where the CommandBus side loses updates or overdraws (I3)', async () => {
    const { code, stdout, stderr } = await startExample('--once', '--json', '--seconds', '2').ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { naive: SideFigures; queued: SideFigures };

    for (const side of [report.naive, report.queued]) {
      expect(side.requests).toBe(side.accepted + side.rejected + side.errors);
      expect(side.accepted).toBeGreaterThan(0);
      expect(side.requestsPerSecond).toBeGreaterThan(0);
      expect(side.p99Ms).toBeGreaterThanOrEqual(side.p50Ms);
    }
    expect(report.queued).toMatchObject({
      errors: 0,
      lostUpdates: 0,
      overdrafts: 0,
      overdrawnCents: 0,
      moneyInEqualsMoneyOut: true,
      kept: true,
    });
    expect(report.queued.moneyInCents).toBe(report.queued.moneyOutCents);
    expect(report.naive.kept).toBe(false);
    expect(report.naive.lostUpdates + report.naive.overdrafts).toBeGreaterThan(0);
  });

  it.each([
    [['--sconds', '2'], '--sconds'],
    [['--seconds', 'soon'], 'soon'],
    [['serve'], 'too many arguments'],
  ])('refuses %j with exit code 2 and says why', async (args, reason) => {
    const { code, stdout, stderr } = await startExample(...args).ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(reason) as string,
    });
  });

  it('says in one line that its port is taken, and ends at once with exit code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect(await startExample('--port', String(port)).ended).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`(^|\\n)Port ${port} is in use: choose another with --port, or leave it out\\.\\n$`),
      ) as string,
    });
  });

  it('serves on, answers what is wrong by name, and ends cleanly on SIGTERM', async () => {
    const { child, ended } = startExample('--seconds', '0.5');
    const line = await firstLineWith(child.stdout, 'The service is at ');
    const url = /http:\/\/[\d.]+:\d+/.exec(line)?.[0] ?? '';

    for (const side of ['naive', 'queued']) {
      const accounts = `${url}/${side}/accounts`;
      const id = `alice-${side}`;
      expect(await post(accounts, { id, openingCents: 1_000 })).toMatchObject({ status: 201 });
      expect(await post(accounts, { id, openingCents: 1_000 })).toMatchObject({ status: 409, reason: 'AccountExists' });
      expect(await post(`${accounts}/${id}/withdrawals`, { cents: 1_001 })).toMatchObject({
        status: 409,
        reason: 'InsufficientFunds',
      });
      for (const cents of ['100', 0, -1, 1.5, null]) {
        expect({ cents, ...(await post(`${accounts}/${id}/withdrawals`, { cents })) }).toMatchObject({
          cents,
          status: 400,
        });
      }
      expect(await post(`${accounts}/${id}/transfers`, { to: id, cents: 1 })).toMatchObject({ status: 400 });
      expect(await post(`${accounts}/${id}/transfers`, { to: 'nobody', cents: 1 })).toMatchObject({
        status: 404,
        reason: 'AccountNotFound',
      });
      expect(await post(`${accounts}/${id}/transfers`, { to: `${side}-1`, cents: 400 })).toMatchObject({
        status: 200,
        balanceCents: 600,
      });
      const answer = await fetch(`${accounts}/${id}`);
      expect(await answer.json()).toEqual({ id, balanceCents: 600, movements: 1 });
    }

    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });
});

async function post(url: string, body: object): Promise<object> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as object) };
}
