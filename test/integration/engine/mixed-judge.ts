/** What is wrong with a world of mixed lines that has come to rest. */
import type { World } from './mixed-world.js';
import { ENTITIES, type Job, TYPE } from './mixed-world.js';

export async function faultsOf(world: World): Promise<string[]> {
  const faults: string[] = [...world.wrongWishes];
  const { wal } = world.app.wal;
  const texts = await wal.actorStates(
    0,
    ENTITIES.map((entityId) => ({ entityType: TYPE, entityId })),
  );
  const states = new Map(ENTITIES.map((id, index) => [id, JSON.parse(texts[index] ?? '[]') as number[]]));
  const all = [...states.values()].flat();
  if (new Set(all).size !== all.length) faults.push(`something completed twice: ${JSON.stringify([...states])}`);
  const counts = await wal.counts(0);
  const ended = counts.completed + counts.failed + counts.interrupted + counts.expired + counts.cancelled;
  if (counts.pending !== 0)
    faults.push(`${counts.pending} are pending: ${JSON.stringify((await world.app.inspect()).pending)}`);
  if (counts.accepted !== counts.pending + ended)
    faults.push(`accepted ${counts.accepted}, pending and final ${ended}`);
  for (const note of world.sent) {
    const { n, kind, entity, id, reply, refused } = note;
    if (kind !== 'Add') continue;
    const done = states.get(entity)?.includes(n) === true;
    if (reply !== undefined && !done) faults.push(`${n} was answered and is not in the state`);
    if (refused !== undefined && ['CANCELLED', 'EXPIRED', 'HANDLER_FAILED', 'INTERRUPTED'].includes(refused) && done)
      faults.push(`${n} ended as ${refused} and is in the state`);
    if (world.withdrawn.has(n) && done) faults.push(`${n} was withdrawn and is in the state`);
    if (id !== undefined && note.hasKey) {
      const { state } = (await wal.status(0, id)) ?? {};
      if (state !== undefined && (state === 'completed') !== done)
        faults.push(`${n} is ${state} and its state says ${done}`);
    }
  }
  for (const [entity, seen] of states) {
    for (const look of world.looks) {
      if (look.entity !== entity) continue;
      if (look.seen.some((n, index) => n !== seen[index]))
        faults.push(`a query of ${entity} saw ${look.seen.join()} and the state became ${seen.join()}`);
      for (const n of look.missing)
        if (!look.seen.includes(n)) faults.push(`a query of ${entity} did not see ${n}, answered before`);
    }
    const mine = world.sent.filter((each) => each.entity === entity && !each.isDelayed && each.kind === 'Add');
    for (const later of mine)
      for (const earlier of mine) {
        if (earlier.acceptedAt === undefined || earlier.acceptedAt > later.calledAt) continue;
        const [first, second] = [seen.indexOf(earlier.n), seen.indexOf(later.n)];
        if (first >= 0 && second >= 0 && first > second) faults.push(`${later.n} overtook ${earlier.n} on ${entity}`);
      }
  }
  for (const later of world.sent) {
    const started = world.marks.indexOf(later.n);
    if (started < 0 || later.isDelayed) continue;
    for (const earlier of world.sent) {
      if (earlier.kind !== 'Mark' || earlier.entity !== later.entity || earlier.isDelayed) continue;
      if (earlier.acceptedAt === undefined || earlier.acceptedAt > later.calledAt) continue;
      if (world.marks.indexOf(earlier.n) > started) faults.push(`${later.n} started before ${earlier.n}`);
    }
  }
  // What was sent: all of a completion or nothing, in the order of the completions.
  const dead = new Set(
    (await wal.deadLetters(0, { limit: 10_000 })).map(({ message }) => (JSON.parse(message.payload) as Job).n),
  );
  for (const { job, entity } of world.sent) {
    const done = states.get(entity)?.includes(job.n) === true;
    for (const { n, to } of job.sends) {
      const there = states.get(to)?.includes(n) === true;
      if (!done && (there || dead.has(n))) faults.push(`${n} was sent, and ${job.n} did not complete`);
      if (done && !there && !dead.has(n) && !world.plan.removes)
        faults.push(`${n} was sent by ${job.n} and has vanished`);
    }
  }
  for (const from of ENTITIES)
    for (const to of ENTITIES) {
      const order = (states.get(from) ?? []).flatMap(
        (n) =>
          world.sent
            .find((each) => each.n === n)
            ?.job.sends.filter((each) => each.to === to)
            .map((each) => each.n) ?? [],
      );
      const target = states.get(to) ?? [];
      const places = order.map((n) => target.indexOf(n)).filter((place) => place >= 0);
      if (places.some((place, index) => index > 0 && place < (places[index - 1] as number)))
        faults.push(`what ${from} sent to ${to} changed its order: ${order.join()} in ${target.join()}`);
    }
  for (const refused of world.refusedSends)
    if (!refused.includes('settled')) faults.push(`a send was refused: ${refused}`);
  return faults;
}
