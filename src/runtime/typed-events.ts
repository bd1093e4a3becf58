/**
 * A small typed emitter. A listener that throws must not harm what emitted the event: its error goes to `onListenerError`.
 * `wants` lets a hot path skip building an event that nobody listens to.
 */
export type Listener<T> = (event: T) => void;

export class TypedEvents<Events extends object> {
  private readonly listeners = new Map<keyof Events, Listener<never>[]>();

  constructor(private readonly onListenerError: (error: unknown, event: string) => void = () => {}) {}

  /** Adds a listener; the returned function removes it. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const before = this.listeners.get(name) ?? [];
    this.listeners.set(name, [...before, listener as Listener<never>]);
    return () => this.off(name, listener);
  }

  /** Resolves with the next event of this name that `accept` takes (default: any). */
  once<K extends keyof Events>(name: K, accept: (event: Events[K]) => boolean = () => true): Promise<Events[K]> {
    return new Promise((resolve) => {
      const remove = this.on(name, (event) => {
        if (!accept(event)) return;
        remove();
        resolve(event);
      });
    });
  }

  off<K extends keyof Events>(name: K, listener: Listener<Events[K]>): void {
    const left = (this.listeners.get(name) ?? []).filter((each) => each !== (listener as Listener<never>));
    if (left.length === 0) this.listeners.delete(name);
    else this.listeners.set(name, left);
  }

  /** Whether an event of this name has a listener. */
  wants(name: keyof Events): boolean {
    return this.listeners.has(name);
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    const listeners = this.listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of listeners) {
      try {
        const result: unknown = (listener as (event: Events[K]) => unknown)(event);
        if (result instanceof Promise) result.catch((error: unknown) => this.onListenerError(error, String(name)));
      } catch (error) {
        this.onListenerError(error, String(name));
      }
    }
  }
}
