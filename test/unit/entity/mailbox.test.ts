import { describe, expect, it } from 'vitest';
import type { Item } from '../../../src/entity/item.js';
import { Mailbox } from '../../../src/entity/mailbox.js';
import { seededRandom } from '../../../src/runtime/random.js';

describe('the mailbox', () => {
  it('does what a plain list does, in any mixture of operations (I4)', () => {
    const random = seededRandom(3);
    const mailbox = new Mailbox();
    let model: number[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      const dice = random.next();
      const growing = step % 4_000 < 2_000;
      if (dice < (growing ? 0.55 : 0.3)) {
        mailbox.push(step);
        model.push(step);
      } else if (dice < 0.6) {
        mailbox.unshift(step);
        model.unshift(step);
      } else if (dice < 0.9) expect(mailbox.shift()).toBe(model.shift());
      else if (dice < 0.93) {
        const wanted = model[Math.floor(random.next() * model.length)];
        expect(mailbox.remove((each) => each === wanted)).toBe(wanted);
        model = model.filter((each) => each !== wanted);
      } else if (model.length > 0) {
        mailbox.replaceHead(step + 0.5);
        model[0] = step + 0.5;
      }
      expect(mailbox.length).toBe(model.length);
      expect(mailbox.peek()).toBe(model[0]);
      if (step % 500 === 0) expect(mailbox.entries()).toEqual(model);
    }
    expect(mailbox.entries()).toEqual(model);
    while (model.length > 0) expect(mailbox.shift()).toBe(model.shift());
    expect([mailbox.length, mailbox.peek(), mailbox.shift()]).toEqual([0, undefined, undefined]);
  });

  it('finds the place of what comes from outside and of what is put back (I4)', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random.next() * limit);
      const mailbox = new Mailbox();
      const entries: (number | Item)[] = [];
      // Places in order with queries between them, then appends that are on their way, with queries between them.
      let place = 1;
      const durable = below(12);
      for (let n = 0; n < durable; n += 1) {
        place += 1 + below(3);
        entries.push(random.next() < 0.2 ? queryItem() : random.next() < 0.5 ? place : itemAt(place));
      }
      for (let n = below(6); n > 0; n -= 1) entries.push(random.next() < 0.3 ? queryItem() : appendingItem());
      for (const entry of entries) mailbox.push(entry);
      const seqOf = (entry: number | Item): number => (typeof entry === 'number' ? entry : entry.seq);
      const newcomer = itemAt(random.next() < 0.7 ? place + 1 : 1 + below(place));
      const isBehind = (other: number | Item): boolean =>
        seqOf(other) > newcomer.seq || (typeof other !== 'number' && other.stage === 'appending');
      if (seed % 2 === 0) {
        mailbox.insertByPlace(newcomer);
        const at = entries.findIndex(isBehind);
        entries.splice(at < 0 ? entries.length : at, 0, newcomer);
      } else {
        mailbox.putBack(newcomer);
        const at = entries.findIndex((other) => seqOf(other) === 0 || seqOf(other) > newcomer.seq);
        entries.splice(at < 0 ? entries.length : at, 0, newcomer);
      }
      expect(mailbox.entries(), `seed ${seed}`).toEqual(entries);
    }
  });

  it('gives its memory back when it is empty (I10)', () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 10_000; n += 1) mailbox.push(n);
    for (let n = 0; n < 10_000; n += 1) mailbox.shift();
    expect((mailbox as unknown as { ring: unknown }).ring).toBeUndefined();
  });
});

/** As much of an item as a mailbox looks at. */
const itemLike = (seq: number, stage: Item['stage']): Item => ({ seq, stage }) as Item;
const itemAt = (seq: number): Item => itemLike(seq, 'waiting');
const appendingItem = (): Item => itemLike(0, 'appending');
const queryItem = (): Item => itemLike(0, 'waiting');
