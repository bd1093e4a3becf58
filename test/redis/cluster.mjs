/** A Redis Cluster of a test: masters that share the slots, and the moving of slots from one to another. */

import { until } from './resp.mjs';
import { RedisServer } from './server.mjs';

const SLOTS = 16_384;

export class RedisCluster {
  #servers = [];
  #replicas = [];

  /** Starts `masters` servers (3), each with `replicas` replicas (0), and waits until all say that the cluster is ok. */
  static async start({ masters = 3, replicas = 0, ...options } = {}) {
    const cluster = new RedisCluster();
    try {
      await cluster.#start(masters, replicas, options);
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
    return cluster;
  }

  async #start(masters, replicas, options) {
    const made = await Promise.allSettled(
      Array.from({ length: masters * (1 + replicas) }, () => RedisServer.start({ ...options, cluster: true })),
    );
    for (const { value } of made) if (value !== undefined) this.#servers.push(value);
    const failed = made.find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#replicas = this.#servers.splice(masters);
    await Promise.all(
      this.#servers.map((server, index) => {
        const from = Math.floor((index * SLOTS) / masters);
        const to = Math.floor(((index + 1) * SLOTS) / masters) - 1;
        const slots = Array.from({ length: to - from + 1 }, (_, offset) => from + offset);
        return server.command('CLUSTER', 'ADDSLOTS', ...slots);
      }),
    );
    // Without different epochs two of them may claim to be first.
    await Promise.all(this.all.map((server, index) => server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)));
    const [first, ...others] = this.all;
    await until(
      'the nodes to know each other',
      async () => {
        // A handshake that takes too long is forgotten, and must be begun again.
        const known = await first.command('CLUSTER', 'NODES');
        for (const { port } of others) {
          if (!known.includes(`:${port}@`)) await first.command('CLUSTER', 'MEET', '127.0.0.1', port);
        }
        return !known.includes('handshake') && others.every(({ port }) => known.includes(`:${port}@`));
      },
      { everyMs: 50 },
    );
    await this.ready();
    for (const [index, replica] of this.#replicas.entries()) {
      const master = this.#servers[index % masters];
      const id = await master.command('CLUSTER', 'MYID');
      await until(
        'a replica to know its master',
        async () => (await replica.command('CLUSTER', 'REPLICATE', id)) === 'OK',
      );
    }
    await Promise.all(this.#replicas.map((replica, index) => this.#inSync(replica, this.#servers[index % masters])));
    await this.ready();
  }

  /** The masters at the start. */
  get servers() {
    return this.#servers;
  }

  get replicas() {
    return this.#replicas;
  }

  get all() {
    return [...this.#servers, ...this.#replicas];
  }

  /** What a client needs to find the cluster. */
  get nodes() {
    return this.all.map(({ host, port }) => ({ host, port }));
  }

  /** Waits until every server that runs says `cluster_state:ok` and knows of all the others. */
  async ready(timeoutMs = 30_000) {
    const running = this.all.filter(({ pid }) => pid !== undefined);
    await until(
      'cluster_state:ok on every node',
      async () => {
        for (const server of running) {
          const state = await server.command('CLUSTER', 'INFO');
          if (!/cluster_state:ok/.test(state) || !state.includes(`cluster_known_nodes:${this.all.length}`))
            return false;
        }
        return true;
      },
      { timeoutMs },
    );
  }

  /** The servers that take writes now, as the first one that runs has it. */
  async primaries() {
    const server = this.all.find(({ pid }) => pid !== undefined);
    const ranges = await server.command('CLUSTER', 'SLOTS');
    const ports = new Set(ranges.map(([, , [, port]]) => port));
    return this.all.filter(({ port }) => ports.has(port));
  }

  /** The servers that follow a primary now. */
  async presentReplicas() {
    const roles = await Promise.all(this.all.map(async (server) => (await server.info('replication')).role));
    return this.all.filter((_, index) => roles[index] === 'slave');
  }

  /** The first replica that a primary has now. */
  async replicaOf(primary) {
    for (const replica of await this.presentReplicas()) {
      if ((await this.#primaryOf(replica)) === primary) return replica;
    }
    return undefined;
  }

  /** From now on nothing of its primary reaches a replica, though all of the Cluster hear of each other. */
  async cutLink(replica) {
    const primary = await this.#primaryOf(replica);
    await replica.command('CONFIG', 'SET', 'masterauth', 'not let in');
    await primary.command('CLIENT', 'KILL', 'TYPE', 'replica');
    await until('the link to be cut', async () => (await replica.info('replication')).master_link_status === 'down');
  }

  /** Waits until the replica has what its primary has. */
  async mendLink(replica) {
    await replica.command('CONFIG', 'SET', 'masterauth', '');
    await this.#inSync(replica, await this.#primaryOf(replica));
  }

  /** Makes a replica the primary with what it has, and waits until the former one follows it and everyone knows. */
  async takeOver(replica) {
    const former = await this.#primaryOf(replica);
    await replica.command('CONFIG', 'SET', 'masterauth', '');
    await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await this.#inSync(former, replica);
    await this.#agreed();
  }

  /**
   * Waits until all servers have the same picture. What is done here without a vote may give two primaries one epoch for a
   * while; should a slot move then, its old and its new owner may each take the other one for it ever after.
   */
  async #agreed() {
    const running = this.all.filter(({ pid }) => pid !== undefined);
    await until('everyone to agree on who has which slots', async () => {
      const pictures = await Promise.all(running.map(pictureOf));
      const epochs = pictures[0].map(({ epoch }) => epoch);
      return new Set(epochs).size === epochs.length && new Set(pictures.map((each) => JSON.stringify(each))).size === 1;
    });
  }

  async #primaryOf(replica) {
    const { master_port: port } = await replica.info('replication');
    return this.all.find((server) => server.port === Number(port));
  }

  /**
   * Waits until both sides say so. A primary may call a replica online that it sends nothing until its first acknowledgement;
   * its own pings, one a second, are what is acknowledged here.
   */
  async #inSync(replica, primary) {
    await until('a replica to be in sync', async () => {
      const { role, master_port: port, master_link_status: link } = await replica.info('replication');
      return role === 'slave' && Number(port) === primary.port && link === 'up';
    });
    const { master_repl_offset: then } = await primary.info('replication');
    await until('a primary to hear of its replica', async () => {
      const all = Object.values(await primary.info('replication'));
      const [, offset] = /,offset=(\d+)/.exec(all.find((each) => each.includes(`port=${replica.port},`))) ?? [];
      return Number(offset) > Number(then);
    });
  }

  /** The server that the cluster says to own a slot. */
  async ownerOf(slot) {
    const server = this.all.find(({ pid }) => pid !== undefined);
    const ranges = await server.command('CLUSTER', 'SLOTS');
    const range = ranges.find(([from, to]) => from <= slot && slot <= to);
    return this.all.find(({ port }) => port === range?.[2][1]);
  }

  async slotOf(key) {
    return await this.#servers[0].command('CLUSTER', 'KEYSLOT', key);
  }

  /** First half of a move: the slot answers ASK and TRYAGAIN from now on, until `finishMove`. */
  async beginMove(slot, from, to) {
    const [fromId, toId] = await Promise.all([from, to].map((server) => server.command('CLUSTER', 'MYID')));
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  }

  /** Moves the keys of a slot that is being moved, at most `count` of them; resolves with how many went. */
  async moveKeys(slot, from, to, count = Number.POSITIVE_INFINITY) {
    let moved = 0;
    while (moved < count) {
      const keys = await from.command('CLUSTER', 'GETKEYSINSLOT', slot, Math.min(count - moved, 50));
      if (keys.length === 0) break;
      const auth = from.password === undefined ? [] : ['AUTH', from.password];
      await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, ...auth, 'KEYS', ...keys);
      moved += keys.length;
    }
    return moved;
  }

  /** Second half: everyone is told that the slot is at `to`. */
  async finishMove(slot, to) {
    const id = await to.command('CLUSTER', 'MYID');
    // The new owner first: should the others hear of it earlier, nobody would answer for the slot.
    await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', id);
    for (const server of await this.primaries()) {
      if (server !== to && server.pid !== undefined) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', id);
    }
    if (this.#replicas.length === 0) return;
    // A replica that has not heard of it would take the slot back, should it be promoted now.
    await this.#agreed();
  }

  /** Moves a range of slots, both ends included, keys and all. */
  async reshard(firstSlot, lastSlot, from, to) {
    for (let slot = firstSlot; slot <= lastSlot; slot += 1) {
      await this.beginMove(slot, from, to);
      await this.moveKeys(slot, from, to);
      await this.finishMove(slot, to);
    }
  }

  async dispose() {
    await Promise.all(this.all.map((server) => server.dispose()));
  }
}

/** The primaries with their epochs and slots, as a server has them. */
async function pictureOf(server) {
  const lines = (await server.command('CLUSTER', 'NODES')).split('\n').filter((line) => line !== '');
  return lines
    .map((line) => line.split(' '))
    .filter(([, , flags]) => flags.includes('master'))
    .map(([id, , , , , , epoch, , ...slots]) => ({ id, epoch, slots: slots.filter((each) => !each.startsWith('[')) }))
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}
