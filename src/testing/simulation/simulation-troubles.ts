/** The troubles of a simulated life: what befalls nodes, stores and the wire, and how often. */
import { type CallChances, NO_CALL_FAULTS, NO_WIRE_FAULTS } from './simulated-faults.js';
import type { SimulationLife } from './simulation-life.js';

const CALM = { wal: NO_CALL_FAULTS, cluster: NO_CALL_FAULTS, wire: NO_WIRE_FAULTS };
const ROUGH: CallChances = { refused: 0.02, request: 0.01, answer: 0.03, late: 0.02, again: 0.03, slow: 0.1 };
const BUMPY: CallChances = { ...NO_CALL_FAULTS, answer: 0.015, late: 0.01, again: 0.01, slow: 0.05 };
const CRASHES = ['commit', 'commit', 'commit', 'offer', 'open', 'renew', 'release', 'beat'] as const;

/** The usual weather of this life. */
export function pickClimate(life: SimulationLife): void {
  const { faults } = life.cluster;
  const climate = life.pick([
    CALM,
    CALM,
    { ...CALM, wire: { loss: 0.1, double: 0.1, slow: 0.2 } },
    { ...CALM, wal: BUMPY },
    { wal: ROUGH, cluster: NO_CALL_FAULTS, wire: NO_WIRE_FAULTS },
    { wal: NO_CALL_FAULTS, cluster: ROUGH, wire: { loss: 0.3, double: 0, slow: 0 } },
    { wal: BUMPY, cluster: BUMPY, wire: { loss: 0.1, double: 0.05, slow: 0.1 } },
    { wal: ROUGH, cluster: ROUGH, wire: { loss: 0.3, double: 0.2, slow: 0.3 } },
  ]);
  faults.chances = { wal: climate.wal, cluster: climate.cluster };
  faults.wire = climate.wire;
  faults.latencyMs = life.pick([0.5, 1, 1, 5, 20]);
}

/** Something happens. */
export async function chooseTrouble(life: SimulationLife): Promise<void> {
  const { cluster } = life;
  const { faults, runtime } = cluster;
  const dice = life.random.next();
  const victim = life.pick(life.living);
  if (dice < 0.18) {
    // Long enough for leases to end and shards to move.
    await runtime.advance(life.pick([600, 1_500, 2_500, 4_000]));
  } else if (dice < 0.34) {
    victim?.process.pause(life.pick([30, 200, 1_200, 1_900, 2_100, 2_300, 3_000, 6_000]));
  } else if (dice < 0.44) {
    if (victim === undefined) return;
    cluster.kill(victim.process);
    comeBack(life, victim);
  } else if (dice < 0.56) {
    if (victim === undefined) return;
    faults.crashIn(victim.process, life.pick(CRASHES), life.pick(['before', 'after']), life.pick([0, 0, 1, 3]));
    comeBack(life, victim);
  } else if (dice < 0.63) {
    if (victim === undefined || !victim.process.runs) return;
    life.stop(victim);
    comeBack(life, victim);
  } else if (dice < 0.69) {
    if (life.living.length < 5) life.begin(`j${life.members.length}`, 'main');
  } else if (dice < 0.75) {
    const others = life.living.filter(() => life.chance(0.5)).map(({ process }) => process);
    faults.partition(others);
  } else if (dice < 0.85) {
    const server = life.pick(['wal', 'cluster'] as const);
    faults.setDown(server, true);
    runtime.timers.set(
      () => faults.setDown(server, false),
      life.options.focus === 'outages' ? 6_000 : life.pick([20, 200, 900, 2_500, 4_000, 6_000]),
    );
  } else if (dice < 0.93) {
    victim?.process.jumpWallClock(life.pick([3_600_000, -3_600_000, 2_000, -2_000]));
  } else {
    pickClimate(life);
  }
}

/** Somebody starts the process anew, under its old name or as another one. */
function comeBack(life: SimulationLife, victim: SimulationLife['members'][number]): void {
  if (life.chance(0.2)) return;
  const { serverId, handles } = victim.options;
  const name = life.chance(0.7) ? serverId : `${serverId}x`;
  life.cluster.runtime.timers.set(
    () => {
      if (life.living.length < 5) life.begin(name, victim.group, handles);
    },
    life.pick([1, 300, 1_000, 3_000]),
  );
}
