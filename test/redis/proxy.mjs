/**
 * A TCP proxy that breaks connections in the ways that networks do: it cuts them, stops forwarding without closing
 * (half-open), refuses new ones, delays, and loses only the answers.
 */
import { createConnection, createServer } from 'node:net';
import { freePort } from './processes.mjs';

export class TcpProxy {
  #target;
  #server;
  #port = 0;
  #pairs = new Set();
  #frozen = false;
  #dropsAnswers = false;
  #delayMs = 0;
  /** Set by `cutNextAnswer`. */
  #answerCut;

  constructor(targetPort) {
    this.#target = targetPort;
  }

  static async start(targetPort) {
    const proxy = new TcpProxy(targetPort);
    await proxy.accept();
    return proxy;
  }

  get port() {
    return this.#port;
  }

  /** Connections that are open now. */
  get connections() {
    return this.#pairs.size;
  }

  /** New connections go to this port; those that are open stay where they are. */
  retarget(targetPort) {
    this.#target = targetPort;
  }

  /** Takes connections (again), on the same port. */
  async accept() {
    if (this.#server !== undefined) return;
    if (this.#port === 0) this.#port = await freePort();
    const server = createServer((client) => this.#connect(client));
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  /** New connections are refused; those that are open stay. */
  async refuse() {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    // Node calls back only when every connection has ended, but no longer listens at once.
    server.close();
  }

  /** Cuts every open connection, with a reset. */
  cut() {
    for (const pair of this.#pairs) pair.cut();
  }

  /** Half-open: connections stay, and nothing goes through them any more. New ones are taken and hear nothing. */
  freeze() {
    this.#frozen = true;
    for (const pair of this.#pairs) pair.update();
  }

  /** What was held back goes on its way. */
  thaw() {
    this.#frozen = false;
    for (const pair of this.#pairs) pair.update();
  }

  /** Everything arrives later by this many milliseconds, in either direction. */
  delay(delayMs) {
    this.#delayMs = delayMs;
  }

  /** What clients send arrives; what the server answers is lost, and the connections stay open. */
  dropAnswers(on = true) {
    this.#dropsAnswers = on;
  }

  /** The next answer of the server is lost and its connection cut. Resolves when that has happened. */
  cutNextAnswer() {
    return new Promise((resolve) => {
      this.#answerCut = resolve;
    });
  }

  #connect(client) {
    const server = createConnection({ port: this.#target, host: '127.0.0.1' });
    const timers = new Set();
    const pair = {
      cut: () => {
        for (const timer of timers) clearTimeout(timer);
        this.#pairs.delete(pair);
        client.resetAndDestroy();
        server.destroy();
      },
      update: () => {
        for (const socket of [client, server]) {
          if (this.#frozen) socket.pause();
          else socket.resume();
        }
      },
    };
    this.#pairs.add(pair);
    const forward = (from, to, passes) => {
      from.setNoDelay(true);
      from.on('data', (chunk) => {
        if (!passes()) return;
        if (this.#delayMs === 0) {
          to.write(chunk);
          return;
        }
        const timer = setTimeout(() => {
          timers.delete(timer);
          to.write(chunk);
        }, this.#delayMs);
        timers.add(timer);
      });
      from.on('error', pair.cut);
      from.on('close', () => {
        if (this.#frozen && this.#pairs.has(pair)) {
          // Half-open: the other side learns nothing of it.
          return;
        }
        pair.cut();
      });
    };
    forward(client, server, () => true);
    forward(server, client, () => {
      if (this.#answerCut !== undefined) {
        const told = this.#answerCut;
        this.#answerCut = undefined;
        pair.cut();
        told();
        return false;
      }
      return !this.#dropsAnswers;
    });
    pair.update();
  }

  /** Cuts everything and listens no more. */
  async dispose() {
    await this.refuse();
    this.cut();
  }
}
