/** One Redis or Valkey server of a test: its own process, port and folder. It keeps port and folder when it restarts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatePath } from './certificates.mjs';
import { freePort, makeFolder, removeFolder, serverProgram, startProgram } from './processes.mjs';
import { command, fieldsOf, until } from './resp.mjs';

export class RedisServer {
  #options;
  #folder;
  #program;
  #process;
  #port = 0;
  #tlsPort;

  constructor(options = {}) {
    this.#options = options;
  }

  /** Makes a server and starts it. */
  static async start(options) {
    const server = new RedisServer(options);
    try {
      await server.start();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get port() {
    return this.#port;
  }

  get tlsPort() {
    return this.#tlsPort;
  }

  get host() {
    return '127.0.0.1';
  }

  get pid() {
    return this.#process?.pid;
  }

  get folder() {
    return this.#folder;
  }

  get password() {
    return this.#options.password;
  }

  get url() {
    const { password } = this.#options;
    return `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${this.#port}`;
  }

  /** Starts the process, on the same port and folder as before if there was one, and waits until it answers. */
  async start() {
    if (this.#process !== undefined) return;
    this.#program ??= serverProgram();
    this.#folder ??= makeFolder();
    const portWasTaken = this.#port !== 0;
    if (this.#options.tls !== undefined) this.#tlsPort ??= await freePort();
    for (let attempt = 0; ; attempt += 1) {
      if (!portWasTaken) this.#port = await freePort();
      const program = startProgram(this.#program, this.#arguments(), { cwd: this.#folder });
      this.#process = program;
      const ended = program.ended.then((how) => ({ how }));
      const up = await Promise.race([ended, until('the server to answer', () => this.#answers(), { everyMs: 10 })]);
      if (up === true) return;
      this.#process = undefined;
      const log = this.log();
      if (attempt < 5 && !portWasTaken && /Address already in use/.test(log)) continue;
      throw new Error(`${this.#program} ended with ${up.how} instead of starting:\n${log.slice(-2_000)}`);
    }
  }

  #arguments() {
    const {
      appendonly = 'everysec',
      maxmemory,
      policy,
      password,
      cluster = false,
      databases,
      tls,
      config = {},
    } = this.#options;
    const settings = {
      port: this.#port,
      bind: '127.0.0.1',
      dir: this.#folder,
      save: '',
      daemonize: 'no',
      logfile: join(this.#folder, 'server.log'),
      appendonly: appendonly === 'no' ? 'no' : 'yes',
      ...(appendonly === 'no' ? {} : { appendfsync: appendonly }),
      ...(maxmemory === undefined ? {} : { maxmemory }),
      ...(policy === undefined ? {} : { 'maxmemory-policy': policy }),
      ...(databases === undefined ? {} : { databases }),
      ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
      ...(cluster
        ? { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf', 'cluster-node-timeout': '2000' }
        : {}),
      ...(tls === undefined ? {} : this.#tlsSettings(tls)),
      'repl-diskless-sync-delay': 0,
      'repl-ping-replica-period': 1,
      ...config,
    };
    return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  }

  /** A second port: the harness itself goes on with the plain one. */
  #tlsSettings({ certificate: name = 'server', authClients = 'no' }) {
    return {
      'tls-port': this.#tlsPort,
      'tls-cert-file': certificatePath(`${name}.crt`),
      'tls-key-file': certificatePath(`${name}.key`),
      'tls-ca-cert-file': certificatePath('ca.crt'),
      'tls-auth-clients': authClients,
    };
  }

  async #answers() {
    try {
      return (await this.command('PING')) === 'PONG';
    } catch (error) {
      // A replica that refuses to serve old data is up, too.
      return error.message.startsWith('MASTERDOWN');
    }
  }

  log() {
    try {
      return readFileSync(join(this.#folder, 'server.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** One command on a connection of its own. */
  command(...args) {
    return command(this.#port, args, { password: this.#options.password });
  }

  async info(section) {
    return fieldsOf(await this.command('INFO', section));
  }

  /** Client connections whose name begins with `name`, as CLIENT LIST tells them. */
  async connections(name = '') {
    const lines = (await this.command('CLIENT', 'LIST')).split('\n').filter((line) => line !== '');
    return lines
      .map((line) => Object.fromEntries(line.split(' ').map((field) => field.split(/=(.*)/s).slice(0, 2))))
      .filter((client) => client.cmd !== 'client|list' && client.cmd !== 'client' && client.name.startsWith(name));
  }

  /** Ends the process in order: what is to be in the AOF is in it. */
  async stop() {
    await this.#end('SIGTERM');
  }

  /** `kill -9`. */
  async kill() {
    await this.#end('SIGKILL');
  }

  async #end(signal) {
    const program = this.#process;
    if (program === undefined) return;
    this.#process = undefined;
    // A paused process only dies of SIGKILL.
    if (signal !== 'SIGKILL') program.child.kill('SIGCONT');
    program.child.kill(signal);
    const late = setTimeout(() => program.child.kill('SIGKILL'), 5_000);
    await program.ended;
    clearTimeout(late);
  }

  /** Stops and starts on the same port and folder: the data is what the AOF has. */
  async restart({ kill = false } = {}) {
    await (kill ? this.kill() : this.stop());
    await this.start();
  }

  /** SIGSTOP: connections stay open and nothing is answered. */
  pause() {
    this.#process?.child.kill('SIGSTOP');
  }

  /** SIGCONT. */
  resume() {
    this.#process?.child.kill('SIGCONT');
  }

  /** Makes this server a replica of another one and waits until they are in sync. `port`: of a proxy before it. */
  async replicate(primary, { port = primary.port } = {}) {
    await this.command('REPLICAOF', '127.0.0.1', port);
    await until('the replica to be in sync', async () => (await this.info('replication')).master_link_status === 'up');
    await until('the primary to count its replica', async () => {
      const info = await primary.info('replication');
      return Number(info.connected_slaves) > 0 && Object.values(info).some((value) => value.includes('state=online'));
    });
  }

  /** REPLICAOF NO ONE: takes writes from now on. */
  async promote() {
    await this.command('REPLICAOF', 'NO', 'ONE');
    await until('the promotion', async () => (await this.info('replication')).role === 'master');
  }

  /** Ends the process and removes its folder. */
  async dispose() {
    await this.kill();
    if (this.#folder !== undefined) removeFolder(this.#folder);
    this.#folder = undefined;
  }
}
