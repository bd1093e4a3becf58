import { describe, expect, it } from 'vitest';
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
      } else if (dice < 0.96) {
        const border = model[Math.floor(random.next() * model.length)];
        mailbox.insertBefore(-step, (each) => each === border);
        const at = border === undefined ? model.length : model.indexOf(border);
        model.splice(at, 0, -step);
      } else if (model.length > 0) {
        mailbox.replaceHead(step + 0.5);
        model[0] = step + 0.5;
      }
      expect(mailbox.length).toBe(model.length);
      expect(mailbox.peek()).toBe(model[0]);
      if (step % 500 === 0) expect(mailbox.entries()).toEqual(model);
    }
    expect(mailbox.clear()).toEqual(model);
    expect([mailbox.length, mailbox.peek(), mailbox.shift()]).toEqual([0, undefined, undefined]);
  });

  it('gives its memory back when it is empty (I10)', () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 10_000; n += 1) mailbox.push(n);
    for (let n = 0; n < 10_000; n += 1) mailbox.shift();
    expect((mailbox as unknown as { ring: unknown }).ring).toBeUndefined();
  });
});
