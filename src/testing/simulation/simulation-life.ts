/**
 * A made-up life of a cluster, decided by one seed: callers on random nodes, and troubles of every kind among them. First
 * comes the time of troubles, in which nothing may go wrong; then everything is healed, and whatever was accepted must come
 * to its end.
 *
 * Owns: the lives of the nodes. What is right is for the judge to say.
 */
import { type Random, seededRandom } from '../../runtime/random.js';
import { SimulatedCluster, type SimulatedNode, type SimulationSeams } from './simulated-cluster.js';
import { SimulatedCallers } from './simulation-callers.js';
import { callOfPayload, type Group, type JobBus, jobBus, SIMULATION_CONFIG, SLICES } from './simulation-jobs.js';
import { comeToRest } from './simulation-rest.js';
import { chooseTrouble, pickClimate } from './simulation-troubles.js';

export interface LifeOptions {
  readonly seed: number;
  /** Things that happen in the time of troubles. Default 45. */
  readonly steps?: number | undefined;
  readonly seams?: SimulationSeams | undefined;
  /** What shall happen more often than usual: calls with a `messageId`, or long outages of the store. */
  readonly focus?: 'keys' | 'outages' | undefined;
}

export interface Member extends SimulatedNode {
  readonly bus: JobBus;
  readonly group: Group;
  isStopping: boolean;
}

export class SimulationLife {
  readonly cluster: SimulatedCluster;
  readonly random: Random;
  /** What is wrong that no history tells. */
  readonly faults: string[] = [];
  readonly members: Member[] = [];
  readonly callers: SimulatedCallers;
  /** No process begins any more. */
  isEnding = false;

  constructor(readonly options: LifeOptions) {
    const { seed, seams } = options;
    this.random = seededRandom(seed);
    this.cluster = new SimulatedCluster({
      seed,
      seams,
      config: {
        ...SIMULATION_CONFIG,
        maxRunningHandlers: this.pick([0, 0, 1, 3]),
        maxTotalWorkers: this.pick([0, 0, 0, 9]),
        residentBytesMax: this.pick([300, 1_000_000]),
      },
      slices: SLICES,
      callOf: callOfPayload,
      setUp: (node, member) => this.callers.handle(node, member),
    });
    this.callers = new SimulatedCallers(this);
  }

  async run(): Promise<void> {
    const { cluster } = this;
    pickClimate(this);
    const nodes = this.pick([1, 2, 2, 3, 3]);
    for (let index = 0; index < nodes; index += 1) this.begin(`n${index}`, 'main');
    if (this.chance(0.3)) this.begin('m0', 'second');
    if (this.chance(0.3)) this.begin('p0', 'main', false);
    await cluster.runtime.advance(this.pick([100, 800, 3_000]));
    for (let step = 0; step < (this.options.steps ?? 45); step += 1) await this.step();
    await comeToRest(this);
  }

  get living(): readonly Member[] {
    return this.members.filter(({ process, isStopping }) => process.isAlive && !isStopping);
  }

  /** A process begins; one that cannot start ends, and is tried again by whoever watches over it. */
  begin(serverId: string, group: Group, handles = true): void {
    // A namesake that is alive and awake would only refuse it; that is a scenario of its own.
    const isTaken = this.living.some(({ process, options }) => options.serverId === serverId && process.runs);
    if (this.isEnding || isTaken) return;
    const node = this.cluster.add({
      serverId,
      group,
      handles,
      rate: 1 + (this.random.next() - 0.5) * 0.02,
      wallOffsetMs: this.pick([0, 0, 3_600_000, -3_600_000, 250]),
    });
    const member: Member = { ...node, bus: jobBus(node), group, isStopping: false };
    this.members.push(member);
    node.node.events.on('fatal', () => this.stop(member));
    member.node.start().catch(async () => {
      if (!member.process.isAlive) return;
      member.isStopping = true;
      // Whoever has called meanwhile hears of it before the process ends.
      await new Promise<void>((resolve) => member.process.timers.defer(resolve));
      if (member.process.timersLeft > 0)
        this.faults.push(`${member.process.name} could not start, and has timers left`);
      member.recorder.record({ type: 'nodeStopped' });
      member.process.kill();
      this.cluster.runtime.timers.set(() => this.begin(serverId, group, handles), 500);
    });
  }

  stop(member: Member): void {
    if (member.isStopping) return;
    member.isStopping = true;
    const { process } = member;
    this.cluster.stop(member).then(
      () => {
        const { name, timersLeft } = process;
        if (timersLeft > 0) this.faults.push(`${name} has stopped, and ${timersLeft} timers are left`);
      },
      (error: unknown) => {
        this.faults.push(`${process.name} could not stop: ${String(error)}`);
        this.cluster.kill(process);
      },
    );
  }

  private async step(): Promise<void> {
    const dice = this.random.next();
    if (dice < 0.45) this.callers.enqueueSome();
    else if (dice < 0.7) await this.cluster.runtime.advance(this.pick([2, 10, 30, 80, 200]));
    else if (dice < 0.74) this.callers.withdraw();
    else if (dice < 0.77) this.callers.pauseOrResume();
    else if (dice < 0.79) this.callers.letters();
    else if (dice < 0.81) this.callers.lookAfterBlocked();
    else await chooseTrouble(this);
  }

  /** A node whose code can run now. */
  caller(): Member | undefined {
    return this.pick(this.living.filter(({ process }) => process.runs));
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random.next() * values.length)] as T;
  }
}
