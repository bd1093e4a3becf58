/** The processes of a round, and what is noted about them on the way. */
import { ENTITIES } from './entities.mjs';
import { NodeProcess } from './node-process.mjs';

export class Cast {
  figures = { kills: [], leaves: [], outages: [] };
  /** Times (wall, ms) whose acknowledged writes the server may lose by its own documented limits. */
  lossy = [];
  durability;
  appendfsync;
  bugs;
  #nodes = [];
  #producers = [];
  #guest;
  #options;
  #loadOf = () => undefined;

  /** `round`, `servers`, `seed`, `durability`, `appendfsync`, `bugs`, `config`, `direct`. */
  constructor(options) {
    this.#options = options;
    this.durability = options.durability;
    this.appendfsync = options.appendfsync;
    this.bugs = options.bugs;
  }

  /** What callers of a process do, from the next start of it on. */
  set load(loadOf) {
    this.#loadOf = loadOf;
  }

  async begin({ workers = 3, producers = 1 } = {}) {
    for (let index = 0; index < workers; index += 1) this.#nodes.push(await this.#make(`n${index + 1}`, true));
    for (let index = 0; index < producers; index += 1) this.#producers.push(await this.#make(`p${index + 1}`, false));
    this.#guest = await this.#make(`n${workers + 1}`, true);
    await Promise.all(this.#nodes.map((node) => node.start()));
    await Promise.all(this.#producers.map((node) => node.start()));
    for (const node of [...this.#nodes, ...this.#producers]) this.#giveLoad(node);
  }

  async #make(name, handles) {
    const { round, servers, seed, durability, bugs, config, direct } = this.#options;
    const redis = await servers.addressFor(name, { direct });
    return new NodeProcess(name, round, {
      handles,
      seed: (seed * 31 + Number(name.slice(1)) * 7_919 + (handles ? 0 : 104_729)) >>> 0,
      bugs: handles ? bugs : undefined,
      config: {
        redis,
        entities: ENTITIES,
        shutdownTimeout: 5_000,
        replyTimeout: 8_000,
        ...(durability === 'async' ? {} : { store: { durability } }),
        ...config,
      },
    });
  }

  workers() {
    return [...this.#nodes];
  }

  producers() {
    return [...this.#producers];
  }

  all() {
    return [...this.#nodes, ...this.#producers, this.#guest];
  }

  guest() {
    return this.#guest;
  }

  async start(node) {
    if (node.isUp || node.state === 'frozen') return;
    await node.start();
    this.#giveLoad(node);
  }

  #giveLoad(node) {
    const load = this.#loadOf(node);
    if (load !== undefined) node.load(load);
  }

  /** The process that is the master by the word of any node; undefined when none says so. */
  async master() {
    for (const node of this.#nodes.filter(({ isUp }) => isUp)) {
      const told = await node.describe().catch(() => undefined);
      const master = this.#nodes.find(({ name, isUp }) => isUp && name === told?.master);
      if (master !== undefined) return master;
    }
    return undefined;
  }

  /** Ends every process at once, whatever it does. */
  async dispose() {
    await Promise.all(this.all().map((node) => (node === undefined ? undefined : node.kill())));
  }
}
