/**
 * Three Sentinels that watch a primary and its replicas. They are the server's own program with `--sentinel`, so they are
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
  replicas = [];

  constructor(options) {
    this.#options = { name: 'mymaster', downAfterMs: 500, replicas: 1, ...options };
  }

  /** Starts a primary, its replicas and three Sentinels, and waits until all know each other. */
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
    const { name, downAfterMs, replicas, server = {}, sentinelPassword } = this.#options;
    this.primary = await RedisServer.start(server);
    for (let index = 0; index < replicas; index += 1) {
      const replica = await RedisServer.start(server);
      this.replicas.push(replica);
      await replica.replicate(this.primary);
    }
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
        // They use it among themselves, too.
        ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`]),
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      const program = startProgram(serverProgram(), [file, '--sentinel'], { cwd: this.#folder });
      this.#sentinels.push({ port, program });
    }
    for (const { port } of this.#sentinels) {
      await until('a Sentinel to know the others and the replica', async () => {
        const answer = await this.#ask(port, 'SENTINEL', 'MASTER', name);
        const known = (field) => Number(answer[answer.indexOf(field) + 1]);
        return known('num-other-sentinels') === 2 && known('num-slaves') === replicas;
      });
    }
  }

  #ask(port, ...args) {
    return command(port, args, { password: this.#options.sentinelPassword });
  }

  get replica() {
    return this.replicas[0];
  }

  get servers() {
    return [this.primary, ...this.replicas];
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
    const [, port] = await this.#ask(this.#sentinels[0].port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name);
    return Number(port);
  }

  /** Has the Sentinels promote a replica of a primary that is well. Resolves before it is done; see `failedOver`. */
  async failOver() {
    await this.#ask(this.#sentinels[0].port, 'SENTINEL', 'FAILOVER', this.name);
  }

  /** Waits until the Sentinels have made another server than `from` the primary; resolves with that one. */
  async failedOver({ from = this.primary, timeoutMs = 20_000 } = {}) {
    return until(
      'the Sentinels to promote a replica',
      async () => {
        const port = await this.primaryPort();
        const server = this.servers.find((each) => each.port === port && each !== from);
        return server !== undefined && (await server.info('replication')).role === 'master' && server;
      },
      { timeoutMs },
    );
  }

  /** Ends the Sentinels and leaves the servers. */
  async stopSentinels() {
    for (const { program } of this.#sentinels) {
      program.child.kill('SIGKILL');
      await program.ended;
    }
  }

  async dispose() {
    await this.stopSentinels();
    await this.primary?.dispose();
    for (const replica of this.replicas) await replica.dispose();
    if (this.#folder !== undefined) removeFolder(this.#folder);
    this.#folder = undefined;
  }
}
