/**
 * Three Sentinels that watch a primary and its replicas. They are the server's own program with `--sentinel`, so they are
 * there wherever the server is.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatePath } from './certificates.mjs';
import { freePort, makeFolder, removeFolder, serverProgram, startProgram } from './processes.mjs';
import { command, until } from './resp.mjs';
import { RedisServer } from './server.mjs';

/** A second port; what the Sentinels do among themselves goes on without TLS. */
function tlsLines(port) {
  return [
    `tls-port ${port}`,
    `tls-cert-file ${certificatePath('server.crt')}`,
    `tls-key-file ${certificatePath('server.key')}`,
    `tls-ca-cert-file ${certificatePath('ca.crt')}`,
    'tls-auth-clients no',
  ];
}

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
    const { name, downAfterMs, replicas, server = {}, sentinelPassword, sentinelTls = false } = this.#options;
    this.primary = await RedisServer.start(server);
    for (let index = 0; index < replicas; index += 1) {
      const replica = await RedisServer.start(server);
      this.replicas.push(replica);
      await replica.replicate(this.primary);
    }
    this.#folder = makeFolder();
    for (let index = 0; index < 3; index += 1) {
      const port = await freePort();
      const tlsPort = sentinelTls ? await freePort() : undefined;
      const file = join(this.#folder, `sentinel-${index}.conf`);
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${this.#folder}`,
        `logfile ${join(this.#folder, `sentinel-${index}.log`)}`,
        ...(tlsPort === undefined ? [] : tlsLines(tlsPort)),
        `sentinel monitor ${name} 127.0.0.1 ${this.primary.port} 2`,
        `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
        `sentinel failover-timeout ${name} 3000`,
        ...(server.password === undefined ? [] : [`sentinel auth-pass ${name} ${server.password}`]),
        // They use it among themselves, too.
        ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`]),
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      const program = startProgram(serverProgram(), [file, '--sentinel'], { cwd: this.#folder });
      this.#sentinels.push({ port, tlsPort, program });
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

  /** The same with TLS. */
  get tlsNodes() {
    return this.#sentinels.map(({ tlsPort }) => ({ host: '127.0.0.1', port: tlsPort }));
  }

  /** The port that the Sentinels say the primary has; undefined while they do not agree. */
  async primaryPort() {
    const ports = new Set();
    for (const { port } of this.#sentinels) {
      const [, told] = await this.#ask(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name);
      ports.add(Number(told));
    }
    return ports.size === 1 ? [...ports][0] : undefined;
  }

  /** Has the Sentinels promote a replica of a primary that is well. Resolves before it is done; see `failedOver`. */
  async failOver() {
    await this.#ask(this.#sentinels[0].port, 'SENTINEL', 'FAILOVER', this.name);
  }

  /**
   * Waits until the Sentinels have made another server than `from` the primary, and all of them know: those that do not yet
   * would undo what a test does next. Resolves with the new primary.
   */
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
