/** Redlock around a call of a handler, as one puts it around a CommandBus: a lock for the entity, the handler, unlock. */
import Redlock from 'redlock';
import { connect } from '../redis-server.js';
import { payloadFor, type System } from '../system.js';

const LOCK_MS = 10_000;

export const redlock: System = {
  async start({ redis, entities, ledger }) {
    const connection = connect({ ...redis });
    const locks = new Redlock([connection], { retryCount: -1, retryDelay: 5, retryJitter: 5 });
    locks.on('error', () => {});
    const handlers = new Map([['deposit', async (account: string, n: number) => ledger.see(account, n)]]);
    await connection.ping();
    return {
      call: async (number) => {
        const { account, n } = payloadFor(number, entities);
        const lock = await locks.acquire([`lock:${account}`], LOCK_MS);
        try {
          await handlers.get('deposit')?.(account, n);
        } finally {
          await lock.release();
        }
      },
      check: async () => {},
      stop: async () => {
        connection.disconnect();
      },
    };
  },
};
