/** Ids as owners make them, in place of the generator's: most plain ones tell the place that the message will get. */
import type { OutgoingMessage, Transition } from '../../src/wal/transition.js';

export class OwnIds {
  readonly #made = new Map<string, string>();

  all(): Iterable<string> {
    return this.#made.values();
  }

  /** The same transitions with ids that begin with `prefix`; `nextSeq` is the next place. */
  rename(transitions: readonly Transition[], prefix: string, nextSeq: number): Transition[] {
    let plain = nextSeq;
    const own = (id: string, isPlain: boolean): string => {
      const known = this.#made.get(id);
      if (known !== undefined) return known;
      const ownId = isPlain ? `${prefix}-${plain.toString(36)}` : `${prefix}-x.${(this.#made.size + 1).toString(36)}`;
      if (isPlain) plain += 1;
      this.#made.set(id, ownId);
      return ownId;
    };
    const given = (id: string): string => this.#made.get(id) ?? id;
    const append = <A extends OutgoingMessage['append']>(asked: A): A => {
      const { message, delayMs, runAt } = asked;
      const waits = delayMs !== undefined || runAt !== undefined || message.recurrence !== undefined;
      return { ...asked, message: { ...message, id: own(message.id, message.messageId === undefined && !waits) } };
    };
    return transitions.map((transition) => {
      switch (transition.type) {
        case 'append':
          return append(transition);
        case 'complete': {
          const { outgoing } = transition;
          if (outgoing === undefined) return transition;
          return { ...transition, outgoing: outgoing.map((sent) => ({ ...sent, append: append(sent.append) })) };
        }
        case 'replay':
          return { ...transition, id: given(transition.id), newId: own(transition.newId, false) };
        case 'promote': {
          const { id, again } = transition;
          if (again === undefined) return { ...transition, id: given(id) };
          return { ...transition, id: given(id), again: { ...again, newId: own(again.newId, true) } };
        }
        case 'cancel':
        case 'purge':
        case 'unblock':
        case 'skip':
          return { ...transition, id: given(transition.id) };
        default:
          return transition;
      }
    });
  }
}
