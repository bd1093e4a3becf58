/**
 * The lab with actors: each entity of an actor type sums up the numbers of its messages, in its state. A handler changes the
 * state before it does what its script says, so that whatever is left of a failed one shows.
 */
import type { ActorBinding, ActorCall, ActorInstance } from '../../../src/entity/actor-port.js';
import { AtomicQueuesError } from '../../../src/message/errors.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { createLab, type Lab, type LabOptions, type Script } from './lab.js';

export interface ActorScript extends Script {
  /** Settles in the turn in which it begins, without any of the lab's notes. */
  readonly sync?: true;
  /** With `sync`: throws. */
  readonly fails?: true;
  /** Puts something into the state that cannot be stored. */
  readonly spoils?: true;
  /** Removes the state. */
  readonly clears?: true;
}

interface State {
  sum: number;
  seen: number[];
}

export class SummingActor implements ActorInstance {
  state: State;
  private keptText: string;
  private isSpoilt = false;

  constructor(
    stored: string | undefined,
    private readonly lab: Lab,
  ) {
    this.keptText = stored ?? '{"sum":0,"seen":[]}';
    this.state = JSON.parse(this.keptText) as State;
  }

  run({ name, message, context }: ActorCall): unknown {
    const script = message as ActorScript;
    this.state.sum += script.n;
    this.state.seen.push(script.n);
    if (script.spoils) this.isSpoilt = true;
    if (script.clears) this.state = { sum: 0, seen: [] };
    if (script.sync) {
      this.lab.started.push({
        entity: `${context.entityType}/${context.entityId}`,
        n: script.n,
        attempt: context.attempt,
        at: 0,
      });
      if (script.fails) throw new Error(`${script.n} fails`);
      return name === 'Ask' ? { ...this.state } : this.state.sum;
    }
    return this.lab.perform(script, context).then(() => (name === 'Ask' ? { ...this.state } : this.state.sum));
  }

  snapshot(): string | null | undefined {
    if (this.isSpoilt) throw new AtomicQueuesError('STATE_INVALID', 'The field "spoilt" cannot be stored.');
    const text = JSON.stringify(this.state);
    if (text === this.keptText) return undefined;
    return this.state.seen.length === 0 ? null : text;
  }

  kept(): void {
    this.keptText = JSON.stringify(this.state);
  }

  restore(): void {
    this.isSpoilt = false;
    this.state = JSON.parse(this.keptText) as State;
  }
}

export interface ActorLab {
  readonly lab: Lab;
  /** The instances that were made, the newest last. */
  readonly made: SummingActor[];
}

export interface ActorLabOptions extends LabOptions {
  readonly binding?: Partial<ActorBinding>;
}

/** Entity type `sum` is an actor; `account` has plain handlers, and `sum` one, `Plain`. */
export async function createActorLab(
  config: AtomicQueuesConfig = {},
  { binding, ...options }: ActorLabOptions = {},
): Promise<ActorLab> {
  const made: SummingActor[] = [];
  const lab = await createLab(config, {
    ...options,
    setup: (node, self) => {
      const actor: ActorBinding = {
        persistence: true,
        stateTtlMs: undefined,
        effects: 'any',
        idleTimeoutMs: 30_000,
        wake: (_type, _id, stored) => {
          const instance = new SummingActor(stored, self);
          made.push(instance);
          return instance;
        },
        ...binding,
      };
      const run = (): never => {
        throw new Error('An actor runs its messages itself.');
      };
      node.addHandler('sum', 'Work', { kind: 'command', label: 'Sum.work', run, actor });
      node.addHandler('sum', 'Ask', { kind: 'query', label: 'Sum.ask', run, actor });
      options.setup?.(node, self);
    },
  });
  return { lab, made };
}

/** The stored state of an entity. */
export async function storedState(lab: Lab, entityId: string): Promise<State | undefined> {
  const [text] = await lab.app.wal.wal.actorStates(0, [{ entityType: 'sum', entityId }]);
  return text === undefined ? undefined : (JSON.parse(text) as State);
}
