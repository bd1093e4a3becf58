/**
 * What happens to a round, by name. Each fault is done to the end before the next one: it resolves when everything that it
 * broke works again, as far as that is for the chaos run to do.
 */
import { shardKeys } from '../../dist/wal/redis/keys.js';
import { sleep } from './random.mjs';

const SHARDS = 16;
export const LEASE_MS = 2_000;
/** Longer than a lease takes to run out; there and back it is shorter than a connection may be silent. */
const LATE_MS = 2_450;

export const FAULTS = {
  kill: {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ cast, chance, say }) => {
      const victim = await chooseVictim(cast, chance);
      if (victim === undefined) return;
      say(`kill -9 of ${victim.node.name}${victim.isMaster ? ', the master' : ''}`);
      const killedAt = await victim.node.kill();
      cast.figures.kills.push({ node: victim.node.name, at: killedAt });
      await sleep(chance.pick([0, 200, 3_500]));
      await cast.start(victim.node);
    },
  },
  stop: {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ cast, chance, say }) => {
      const victim = await chooseVictim(cast, chance);
      if (victim === undefined) return;
      say(`SIGSTOP of ${victim.node.name}${victim.isMaster ? ', the master,' : ''} for three leases`);
      victim.node.freeze();
      // After three leases connections are given up as well, and what is sent anew is looked at twice: a planted bug in one
      // of the looks shows only without the other.
      await sleep(cast.bugs === undefined ? 3 * LEASE_MS : 2.2 * LEASE_MS);
      victim.node.thaw();
    },
  },
  leave: {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ cast, chance, say }) => {
      const nodes = chance.shuffled(cast.workers()).slice(0, chance.pick([1, 1, 3]));
      say(nodes.length === 1 ? `${nodes[0].name} leaves and comes back` : 'rolling deploy of all nodes');
      for (const node of nodes) {
        const leftAt = Date.now();
        await node.stop();
        cast.figures.leaves.push({ node: node.name, at: leftAt, doneAt: Date.now() });
        await cast.start(node);
        await sleep(chance.pick([0, 500]));
      }
    },
  },
  join: {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ cast, chance, say }) => {
      const guest = cast.guest();
      say(`${guest.name} joins, and leaves again`);
      await cast.start(guest);
      await sleep(chance.between(500, 3_000));
      await guest.stop();
    },
  },
  'redis-restart': {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ cast, servers, chance, say }) => {
      const kill = chance.happens(0.5);
      const which = chance.below(servers.all.length);
      say(`${kill ? 'kill -9' : 'restart'} of Redis`);
      const from = Date.now();
      const at = await servers.restart({ kill, downMs: chance.pick([0, 300, 1_500]), which });
      cast.figures.outages.push({ from, at, what: 'restart' });
      // What the server had not written to its disk when it was killed: at most what came in the second before.
      if (kill && cast.appendfsync === 'everysec') cast.lossy.push({ from: from - 2_000, to: from + 100 });
    },
  },
  promotion: {
    /** In a Cluster with `replicated(1)`: else its primaries have no replicas. */
    servers: ['replica', 'replicated cluster'],
    run: async ({ cast, servers, chance, say }) => {
      const aloneMs = chance.pick([100, 400, 800]);
      say(`the replica is promoted ${aloneMs} ms after its link was cut`);
      const { cutAt, promotedAt } = await servers.promote({ aloneMs });
      cast.figures.outages.push({ from: cutAt, at: promotedAt, what: 'promotion' });
      // Replication is on its way all the time: what is lost came in after the cut, or shortly before it.
      if (cast.durability === 'async') cast.lossy.push({ from: cutAt - 500, to: promotedAt + 50 });
      await servers.inSync();
    },
  },
  flush: {
    servers: ['single', 'replica', 'cluster'],
    run: async ({ servers, say }) => {
      say('SCRIPT FLUSH, ten times');
      for (let count = 0; count < 10; count += 1) {
        await Promise.all(servers.all.map((server) => server.command('SCRIPT', 'FLUSH').catch(() => {})));
        await sleep(200);
      }
    },
  },
  network: {
    servers: ['single', 'replica'],
    run: async ({ servers, chance, say }) => {
      const names = chance.shuffled([...servers.proxies.keys()]).slice(0, chance.pick([1, 1, 2, 99]));
      const proxies = names.map((name) => servers.proxies.get(name));
      const [what, breakIt] = chance.pick(BREAKS);
      say(`${what} between Redis and ${names.join(', ')}`);
      for (const proxy of proxies) await breakIt(proxy, chance);
      await sleep(chance.pick([300, 1_500, 4_500]));
      const cuts = chance.happens(0.5);
      for (const proxy of proxies) {
        // What is late must not be overtaken on its own connection; and half-open connections end with a reset at last.
        if (cuts || what.startsWith('answers late')) proxy.cut();
        proxy.delay(0);
        proxy.dropAnswers(false);
        proxy.thaw();
        await proxy.accept();
      }
    },
  },
  late: {
    servers: ['single', 'replica'],
    run: async ({ cast, servers, chance, say }) => {
      const node = chance.pick(cast.workers());
      const proxy = servers.proxies.get(node.name);
      say(`what ${node.name} sends to Redis arrives ${LATE_MS} ms late`);
      proxy.delay(LATE_MS);
      await sleep(2 * LATE_MS + 300);
      proxy.cut();
      proxy.delay(0);
    },
  },
  reshard: {
    servers: ['cluster'],
    run: async ({ servers, chance, say }) => {
      const shards = chance.shuffled(Array.from({ length: SHARDS }, (_, shard) => shard)).slice(0, 4);
      say(`the slots of shards ${shards.join(', ')} and of the cluster's own keys move`);
      const keys = [...shards.map((shard) => shardKeys('aq', shard).meta), '{aq}:meta'];
      for (const key of keys) await servers.moveKey(key, chance.pick([0, 100, 600]));
    },
  },
};

const BREAKS = [
  ['cut connections', (proxy) => proxy.cut()],
  [
    'refused and cut connections',
    async (proxy) => {
      await proxy.refuse();
      proxy.cut();
    },
  ],
  ['half-open connections', (proxy) => proxy.freeze()],
  ['answers late by 150 ms', (proxy) => proxy.delay(75)],
  ['lost answers', (proxy) => proxy.dropAnswers(true)],
  [
    'answers cut off in the middle',
    async (proxy, chance) => {
      for (let count = chance.between(1, 3); count > 0; count -= 1) {
        await Promise.race([proxy.cutNextAnswer(), sleep(1_000)]);
        await sleep(chance.below(200));
      }
    },
  ],
];

/** One of the nodes with handlers; the master about every second time. */
async function chooseVictim(cast, chance) {
  const candidates = cast.workers().filter((node) => node.isUp);
  const wantsMaster = chance.happens(0.5);
  const other = chance.pick(candidates);
  if (other === undefined) return undefined;
  const master = await cast.master();
  if (wantsMaster && master !== undefined) return { node: master, isMaster: true };
  return { node: other, isMaster: other === master };
}
