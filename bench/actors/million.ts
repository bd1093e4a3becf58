/**
 * 1,000,000 actors get one message each, with 10,000 resident at most; before and after, 1,000 of them are under full load.
 * What the million costs is the resident memory and the difference between the two loads.
 */
import { Actor, type AtomicQueuesNode, createNode, On, registerActor } from 'atomic-queues/core';
import { accountName } from '../load.js';
import { type Figures, InvalidRow, inFreshFolder, type RunContext } from '../run.js';
import { configOf } from '../subject.js';

const ACTORS = 1_000_000;
const WARM_ACTORS = 1_000;
const RESIDENT_MAX = 10_000;
const WINDOW = 4_096;
/** Loads are cut into so many slices, of which the median counts. */
const SLICES = 5;

@Actor('counter')
class CounterActor {
  count = 0;

  @On('add')
  add({ by }: { by: number }): void {
    this.count += by;
  }

  @On('read', { kind: 'query' })
  read(): number {
    return this.count;
  }
}

export async function runActorMillion(context: RunContext): Promise<Figures[]> {
  return inFreshFolder(context.folder, async (folder) => {
    const config = { ...configOf({ folder, entities: ACTORS }), entities: {}, maxResidentActors: RESIDENT_MAX };
    const node = createNode({ config });
    registerActor(node, CounterActor);
    await node.start();
    const flood = new Flood(node);
    const sliceMs = context.timings.closedMs / 2;
    accountName(WARM_ACTORS);
    const name = (number: number): string => accountName(number % WARM_ACTORS);
    await flood.during(context.timings.warmUpMs, name);
    const small = await flood.slices(sliceMs, name);
    const touchedAt = performance.now();
    await flood.send(ACTORS - WARM_ACTORS, (number) => String(WARM_ACTORS + number));
    const touchedMs = performance.now() - touchedAt;
    const rssMiB = process.memoryUsage.rss() / 2 ** 20;
    await flood.during(context.timings.warmUpMs, name);
    const warm = await flood.slices(sliceMs, name);
    const rssPeakMiB = process.resourceUsage().maxRSS / 1_024;
    const count = await node.queueBus.enqueueAndWait<number>('counter', 'read', String(ACTORS - 1), {});
    if (count !== 1) throw new InvalidRow(`the last actor was touched once and counts ${count}`);
    await node.stop();
    return [
      {
        messagesPerSecond: warm,
        smallPerSecond: small,
        warmShareOfSmall: warm / small,
        touchedPerSecond: ((ACTORS - WARM_ACTORS) / touchedMs) * 1_000,
        rssMiB,
        rssPeakMiB,
      },
    ];
  });
}

/** Sends messages that nobody waits for, so many under way. */
class Flood {
  #underWay = 0;
  #completed = 0;
  #room: () => void = () => {};

  constructor(private readonly node: AtomicQueuesNode) {
    node.events.on('ended', () => {
      this.#underWay -= 1;
      this.#completed += 1;
      if (this.#underWay <= WINDOW / 2) this.#room();
    });
  }

  async slices(sliceMs: number, name: (number: number) => string): Promise<number> {
    const rates: number[] = [];
    for (let slice = 0; slice < SLICES; slice += 1) rates.push(await this.during(sliceMs, name));
    rates.sort((a, b) => a - b);
    return rates[Math.floor(SLICES / 2)] as number;
  }

  /** Messages a second. */
  async during(durationMs: number, name: (number: number) => string): Promise<number> {
    const completed = this.#completed;
    const startedAt = performance.now();
    const isOver = (): boolean => performance.now() - startedAt >= durationMs;
    await this.#run(isOver, name);
    const rate = ((this.#completed - completed) / (performance.now() - startedAt)) * 1_000;
    await this.node.whenIdle();
    return rate;
  }

  async send(count: number, name: (number: number) => string): Promise<void> {
    let sent = 0;
    await this.#run(
      () => sent >= count,
      (number) => {
        sent += 1;
        return name(number);
      },
    );
    await this.node.whenIdle();
  }

  async #run(isOver: () => boolean, name: (number: number) => string): Promise<void> {
    for (let number = 0; !isOver(); ) {
      if (this.#underWay >= WINDOW) {
        await new Promise<void>((resolve) => {
          this.#room = resolve;
        });
      }
      for (; this.#underWay < WINDOW && !isOver(); number += 1) {
        this.#underWay += 1;
        void this.node.queueBus.enqueue('counter', 'add', name(number), { by: 1 });
      }
    }
  }
}
