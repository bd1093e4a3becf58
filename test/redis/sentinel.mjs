/**
 * Three Sentinels that watch a primary and its replica. They are the server's own program with `--sentinel`, so they are
 * there wherever the server is.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, makeFolder, removeFolder, serverProgram, startProgram } from './processes.mjs';
import { command, until } from './resp.mjs';
import { RedisServer } from './server.mjs';

export class SentinelSet {
  #sentinels = [];
  #folder;
  #options;
  primary;
  replica;

  constructor(options) {
    this.#options = { name: 'mymaster', downAfterMs: 500, ...options };
  }

  /** Starts a primary, a replica and three Sentinels, and waits until all know each other. */
  static async start(options = {}) {
    const set = new SentinelSet(options);
    try {
      await set.#start();
    } catch (error) {
      await set.dispose();
      throw error;
    }
    return set;
  }

  async #start() {
    const { name, downAfterMs, server = {} } = this.#options;
    this.primary = await RedisServer.start(server);
    this.replica = await RedisServer.start(server);
    await this.replica.replicate(this.primary);
    this.#folder = makeFolder();
    for (let index = 0; index < 3; index += 1) {
      const port = await freePort();
      const file = join(this.#folder, `sentinel-${index}.conf`);
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${this.#folder}`,
        `logfile ${join(this.#folder, `sentinel-${index}.log`)}`,
        `sentinel monitor ${name} 127.0.0.1 ${this.primary.port} 2`,
        `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
        `sentinel failover-timeout ${name} 3000`,
        ...(server.password === undefined ? [] : [`sentinel auth-pass ${name} ${server.password}`]),
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      const program = startProgram(serverProgram(), [file, '--sentinel'], { cwd: this.#folder });
      this.#sentinels.push({ port, program });
    }
    for (const { port } of this.#sentinels) {
      await until('a Sentinel to know the others and the replica', async () => {
        const answer = await command(port, ['SENTINEL', 'MASTER', name]);
        const known = (field) => Number(answer[answer.indexOf(field) + 1]);
        return known('num-other-sentinels') === 2 && known('num-slaves') === 1;
      });
    }
  }

  get name() {
    return this.#options.name;
  }

  /** What a client needs to find the primary. */
  get nodes() {
    return this.#sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** The port that the Sentinels say the primary has. */
  async primaryPort() {
    const [, port] = await command(this.#sentinels[0].port, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name]);
    return Number(port);
  }

  /** Waits until the Sentinels have made another server the primary. */
  async failedOver(timeoutMs = 20_000) {
    await until(
      'the Sentinels to promote the replica',
      async () =>
        (await this.primaryPort()) === this.replica.port && (await this.replica.info('replication')).role === 'master',
      { timeoutMs },
    );
  }

  async dispose() {
    for (const { program } of this.#sentinels) {
      program.child.kill('SIGKILL');
      await program.ended;
    }
    await this.primary?.dispose();
    await this.replica?.dispose();
    if (this.#folder !== undefined) removeFolder(this.#folder);
    this.#folder = undefined;
  }
}
