/** What the rows of a scenario say about each other: how many times as much as each peer, what share of the ceiling. */
import type { Figures } from '../run.js';
import type { ScenarioResult } from '../scenario.js';
import { figureOf, withFigures } from '../summary.js';
import { BARE_RTT, describedSystem, isOurs, isPeer, SCRIPT_LOOP } from './described.js';

/**
 * Adds to each row of this library, all of messages/s: `times:<system>` for each other system, `timesBestPeer`,
 * `timesBestQueue` (the best one that is durable), `timesBestOrderedPeer` and `shareOfScriptLoop`. Rows that are invalid or
 * were not measured are not compared with.
 */
export function compareRows(rows: readonly ScenarioResult[]): ScenarioResult[] {
  const rates = new Map<string, number>();
  for (const row of rows) {
    const rate = figureOf(row, 'messagesPerSecond');
    if (row.invalid === undefined && rate !== undefined) rates.set(row.system, rate);
  }
  return rows.map((row) => {
    const own = rates.get(row.system);
    return isOurs(row.system) && own !== undefined ? withFigures(row, ratios(own, rates)) : row;
  });
}

function ratios(own: number, rates: ReadonlyMap<string, number>): Figures {
  const figures: Record<string, number> = {};
  let best = 0;
  let bestQueue = 0;
  let bestOrdered = 0;
  for (const [name, rate] of rates) {
    if (!isPeer(name)) continue;
    figures[`times:${name}`] = own / rate;
    best = Math.max(best, rate);
    if (describedSystem(name).durable) bestQueue = Math.max(bestQueue, rate);
    if (describedSystem(name).inOrder) bestOrdered = Math.max(bestOrdered, rate);
  }
  if (best > 0) figures['timesBestPeer'] = own / best;
  if (bestQueue > 0) figures['timesBestQueue'] = own / bestQueue;
  if (bestOrdered > 0) figures['timesBestOrderedPeer'] = own / bestOrdered;
  const ceiling = rates.get(SCRIPT_LOOP);
  if (ceiling !== undefined) figures['shareOfScriptLoop'] = own / ceiling;
  return figures;
}

/** Replies of this library against those of others: every ratio of rates is there, and the floor is the round trip. */
export function compareReplies(rows: readonly ScenarioResult[]): ScenarioResult[] {
  const floor = rows.find((row) => row.system === BARE_RTT)?.p50Ms;
  return compareRows(rows).map((row) =>
    row.p50Ms === undefined || floor === undefined ? row : withFigures(row, { p50OfBareRow: row.p50Ms / floor }),
  );
}
