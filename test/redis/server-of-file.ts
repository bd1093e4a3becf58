/** A server for the tests of one file, with a client: there before the first of them, gone after the last. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { Clients } from './clients.js';
import { RedisServer } from './harness.mjs';

export interface ServerOfFile {
  readonly server: RedisServer;
  readonly client: Redis;
  /** Makes more of them, and closes them at the end. */
  readonly clients: Clients;
}

/** To be called once at the top of a test file; what it returns is of use inside of tests. Nothing is written to disk. */
export function serverOfFile(): ServerOfFile {
  const clients = new Clients();
  let server: RedisServer | undefined;
  let client: Redis | undefined;
  beforeAll(async () => {
    server = await RedisServer.start({ appendonly: 'no' });
    client = await clients.single(server);
  });
  afterAll(async () => {
    clients.close();
    await server?.dispose();
  });
  return {
    clients,
    get server() {
      return started(server);
    },
    get client() {
      return started(client);
    },
  };
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The server of this file is there inside of tests and hooks only.');
  return value;
}
