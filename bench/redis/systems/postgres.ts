/** A row for each entity, locked with SELECT … FOR UPDATE while its handler runs. */
import { InvalidRow } from '../../run.js';
import { startPostgres } from '../postgres-server.js';
import { entityOf, payloadFor, type System } from '../system.js';

const CONNECTIONS = 32;

export const postgres: System = {
  async start({ folder, entities, ledger }) {
    const server = await startPostgres(folder, CONNECTIONS);
    const { pool } = server;
    await pool.query('CREATE TABLE entity (id text PRIMARY KEY, amount bigint NOT NULL, handled bigint NOT NULL)');
    const ids = Array.from({ length: entities }, (_, index) => entityOf(index, entities));
    await pool.query('INSERT INTO entity SELECT id, 0, 0 FROM unnest($1::text[]) AS id', [ids]);
    const lock = { name: 'lock', text: 'SELECT amount FROM entity WHERE id = $1 FOR UPDATE' };
    const change = {
      name: 'change',
      text: 'UPDATE entity SET amount = amount + $2, handled = handled + 1 WHERE id = $1',
    };
    return {
      call: async (number) => {
        const { account, amount, n } = payloadFor(number, entities);
        const client = await pool.connect();
        let failure: Error | undefined;
        try {
          await client.query('BEGIN');
          await client.query({ ...lock, values: [account] });
          ledger.see(account, n);
          await client.query({ ...change, values: [account, amount] });
          await client.query('COMMIT');
        } catch (error) {
          failure = error as Error;
          throw error;
        } finally {
          client.release(failure);
        }
      },
      check: async (sent) => {
        const { rows } = await pool.query<{ handled: string }>('SELECT sum(handled) AS handled FROM entity');
        if (Number(rows[0]?.handled) !== sent) {
          throw new InvalidRow(`sent ${sent} messages, the table says ${rows[0]?.handled}`);
        }
      },
      stop: () => server.stop(),
    };
  },
};
