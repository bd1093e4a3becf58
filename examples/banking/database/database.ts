/** The service's end of the database: sends SQL to the database's thread and hands back the rows. */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { DatabaseAnswer, DatabaseRequest } from './database-thread.js';

interface Waiter {
  readonly resolve: (rows: readonly unknown[]) => void;
  readonly reject: (error: Error) => void;
}

export class Database {
  private readonly waiters = new Map<number, Waiter>();
  private lastId = 0;
  private closing: Promise<void> | undefined;
  private ended: Error | undefined;

  private constructor(private readonly thread: Worker) {
    thread.on('message', (answer: DatabaseAnswer) => this.settle(answer));
    thread.on('error', (error) => this.end(error instanceof Error ? error : new Error(String(error))));
    thread.on('exit', () => this.end(new Error('The database is closed.')));
  }

  /** `folder` undefined: in memory. */
  static async open(folder?: string): Promise<Database> {
    const script = new URL('./database-thread.js', import.meta.url);
    const database = new Database(new Worker(script, { workerData: folder ?? 'memory://' }));
    await database.query('SELECT 1');
    return database;
  }

  /** One statement, its `$1`, `$2` … taken from `parameters`. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> {
    return (await this.send(sql, parameters)) as readonly Row[];
  }

  /** Waits until nobody asks for anything any more: a handler between two queries may end its work. */
  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    while (this.waiters.size > 0) {
      await once(this.thread, 'message');
      // Whoever got this answer now sends the next query, if there is one.
      await setImmediate();
    }
    await this.send(undefined, []);
    await this.thread.terminate();
  }

  private send(sql: string | undefined, parameters: readonly unknown[]): Promise<readonly unknown[]> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.lastId += 1;
      const request: DatabaseRequest = { id: this.lastId, sql, parameters };
      this.waiters.set(request.id, { resolve, reject });
      this.thread.postMessage(request);
    });
  }

  private settle(answer: DatabaseAnswer): void {
    const waiter = this.waiters.get(answer.id);
    this.waiters.delete(answer.id);
    if ('error' in answer) waiter?.reject(answer.error);
    else waiter?.resolve(answer.rows);
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const waiter of this.waiters.values()) waiter.reject(error);
    this.waiters.clear();
  }
}
