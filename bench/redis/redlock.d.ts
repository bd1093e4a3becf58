/** The package's export map hides its types from the compiler; this is what the benchmark uses of it. */
declare module 'redlock' {
  import type { EventEmitter } from 'node:events';
  import type { Redis } from 'ioredis';

  interface Settings {
    readonly retryCount: number;
    /** Milliseconds. */
    readonly retryDelay: number;
    /** Milliseconds. */
    readonly retryJitter: number;
  }

  interface Lock {
    release(): Promise<unknown>;
  }

  class Redlock extends EventEmitter {
    constructor(clients: Iterable<Redis>, settings?: Partial<Settings>);
    acquire(resources: string[], durationMs: number): Promise<Lock>;
  }

  export { Redlock as default };
}
