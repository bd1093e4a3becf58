/**
 * PostgreSQL (PGlite) on a thread of its own, so that the service has its queries answered as by any database server:
 * later, while it goes on with other requests. Started by `database.ts`; speaks in `DatabaseRequest` and `DatabaseAnswer`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';

export interface DatabaseRequest {
  readonly id: number;
  /** Undefined: close the database. */
  readonly sql: string | undefined;
  readonly parameters: readonly unknown[];
}

export type DatabaseAnswer =
  | { readonly id: number; readonly rows: readonly unknown[] }
  | { readonly id: number; readonly error: Error };

const database = await PGlite.create(workerData as string);

async function answer({ id, sql, parameters }: DatabaseRequest): Promise<DatabaseAnswer> {
  try {
    if (sql !== undefined) return { id, rows: (await database.query(sql, [...parameters])).rows };
    await database.close();
    return { id, rows: [] };
  } catch (error) {
    return { id, error: new Error(error instanceof Error ? error.message : String(error)) };
  }
}

parentPort?.on('message', (request: DatabaseRequest) => {
  void answer(request).then((result) => parentPort?.postMessage(result));
});
