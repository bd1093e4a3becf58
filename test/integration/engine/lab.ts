/**
 * The stage for the engine's behaviour tests: a test app with one scripted command (`Work`) and one scripted query
 * (`Ask`) per entity type. A message says in its payload what its handler does; the lab notes every start and end with
 * the virtual time since the beginning, and fails when two handlers of one entity overlap (I3).
 */
import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import { currentMessage, type MessageContext } from '../../../src/entity/message-context.js';
import type { EnqueueOptions, Receipt, WaitOptions } from '../../../src/entity/submission.js';
import { AtomicQueuesError, type ErrorCode, isAtomicQueuesError } from '../../../src/message/errors.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { createTestApp, type TestApp, type TestAppOptions } from '../../../src/testing/test-app.js';

/** What a handler does. */
export interface Script {
  readonly n: number;
  /** Works this long, in virtual milliseconds. */
  readonly ms?: number;
  /** Throws in this many attempts before it succeeds. */
  readonly failures?: number;
  readonly retryable?: false;
  /** Settles when the test calls `lab.let(n)`. */
  readonly hang?: true;
  /** Throws this value as it is. */
  readonly throws?: unknown;
  readonly reply?: unknown;
  /** Sends these, one after the other, from inside the handler. */
  readonly calls?: readonly Call[];
}

export interface Call {
  readonly to: string;
  readonly script: Script;
  readonly wait?: boolean;
  readonly query?: boolean;
  readonly options?: WaitOptions;
}

export interface Note {
  /** `type/id` */
  readonly entity: string;
  readonly n: number;
  readonly attempt: number;
  /** Milliseconds since the lab was made. */
  readonly at: number;
}

export interface LabOptions extends Omit<TestAppOptions, 'setup'> {
  /** Entity types with a `Work` and an `Ask` handler. Default: `account`. */
  readonly types?: readonly string[];
  readonly setup?: (node: AtomicQueuesNode, lab: Lab) => void;
}

export async function createLab(config: AtomicQueuesConfig = {}, options: LabOptions = {}): Promise<Lab> {
  const lab = new Lab();
  const { types = ['account'], setup, ...rest } = options;
  lab.app = await createTestApp({
    ...rest,
    config,
    setup: (node) => {
      for (const type of types) {
        node.handle(type, 'Work', (script, context) => lab.perform(script as Script, context));
        node.handle(type, 'Ask', (script, context) => lab.perform(script as Script, context), { kind: 'query' });
      }
      setup?.(node, lab);
    },
  });
  return lab;
}

export class Lab {
  app!: TestApp;
  readonly started: Note[] = [];
  readonly finished: Note[] = [];
  readonly contexts: MessageContext[] = [];
  readonly overlaps: string[] = [];
  /** The most handlers that were at work at one time. */
  most = 0;
  private readonly working = new Map<string, number>();
  private readonly gates = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  private epoch: number | undefined;

  /** Milliseconds since the first look at the clock. */
  get now(): number {
    this.epoch ??= 0;
    return this.app.runtime.clock.monotonic() - this.epoch;
  }

  /** The numbers of the messages that started, in order; of one entity when it is named. */
  order(entity?: string): number[] {
    return this.started.filter((each) => entity === undefined || each.entity === entity).map((each) => each.n);
  }

  /** `account/a` or just `a`. */
  work(to: string, script: Script, options?: EnqueueOptions): Promise<Receipt> {
    const [type, id] = address(to);
    return this.app.bus.enqueue(type, 'Work', id, script, options);
  }

  workAndWait(to: string, script: Script, options?: WaitOptions): Promise<unknown> {
    const [type, id] = address(to);
    return this.app.bus.enqueueAndWait(type, 'Work', id, script, options);
  }

  ask(to: string, script: Script, options?: WaitOptions): Promise<unknown> {
    const [type, id] = address(to);
    return this.app.bus.enqueueAndWait(type, 'Ask', id, script, options);
  }

  /** Lets a hanging handler go on: it succeeds, or throws `error`. */
  let(n: number, error?: unknown): void {
    const gate = this.gates.get(n);
    if (gate === undefined) throw new Error(`No handler of message ${n} is hanging.`);
    this.gates.delete(n);
    if (error === undefined) gate.resolve(`let ${n}`);
    else gate.reject(error);
  }

  async perform(script: Script, context: MessageContext): Promise<unknown> {
    const entity = `${context.entityType}/${context.entityId}`;
    const note = { entity, n: script.n, attempt: context.attempt };
    const busy = this.working.get(entity);
    if (busy !== undefined) this.overlaps.push(`${entity}: ${script.n} started while ${busy} was at work`);
    this.working.set(entity, script.n);
    this.most = Math.max(this.most, this.working.size);
    this.started.push({ ...note, at: this.now });
    this.contexts.push(context);
    try {
      if (script.hang) return await new Promise((resolve, reject) => this.gates.set(script.n, { resolve, reject }));
      if (script.ms !== undefined) await this.pass(script.ms);
      if ('throws' in script) throw script.throws;
      if (context.attempt <= (script.failures ?? 0)) {
        const error = new Error(`attempt ${context.attempt} of ${script.n} fails`);
        throw script.retryable === false ? Object.assign(error, { retryable: false }) : error;
      }
      for (const call of script.calls ?? []) await this.call(call);
      return script.reply;
    } finally {
      this.working.delete(entity);
      this.finished.push({ ...note, at: this.now });
    }
  }

  /** Resolves after `ms` of virtual time. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.app.runtime.timers.set(resolve, ms));
  }

  private call({ to, script, wait, query, options }: Call): Promise<unknown> {
    if (query) return this.ask(to, script, options);
    return wait ? this.workAndWait(to, script, options) : this.work(to, script, options);
  }
}

function address(to: string): [type: string, id: string] {
  const border = to.indexOf('/');
  return border < 0 ? ['account', to] : [to.slice(0, border), to.slice(border + 1)];
}

/** What became of a promise so far, without waiting for it. */
export interface Fate {
  state: 'pending' | 'resolved' | 'rejected';
  value?: unknown;
  /** The code of the library's error, or the error itself. */
  code?: ErrorCode | undefined;
  error?: AtomicQueuesError;
}

export function fate(promise: Promise<unknown>): Fate {
  const found: Fate = { state: 'pending' };
  promise.then(
    (value) => Object.assign(found, { state: 'resolved', value }),
    (error: unknown) =>
      Object.assign(found, { state: 'rejected', error, code: isAtomicQueuesError(error) ? error.code : undefined }),
  );
  return found;
}

/** The library's error that a promise rejects with. */
export async function refusal(promise: Promise<unknown>): Promise<AtomicQueuesError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AtomicQueuesError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}

export { currentMessage };
