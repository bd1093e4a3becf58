/**
 * Planted bugs, for the test that the chaos run notices. Each takes something out of a process that is otherwise as it is.
 *
 * `no-fences`: an owner whose lease has run out goes on, and the commit script takes what it sends.
 * `ignore-lease`: such an owner goes on, and the store refuses it: only handlers that were marked ahead can show it.
 * `forget-offers`: of what is handed in for other nodes, every 50th message is acknowledged and not sent.
 * `hasty-queries`: a query does not wait until its owner has looked into the inbox.
 * `deaf-pauses`, `deaf-cancels`: what an operator asks for is acknowledged, and nothing is done.
 */
import { createHash } from 'node:crypto';
import { Tenure } from '../../dist/cluster/tenure.js';
import { Operations } from '../../dist/entity/operations.js';
import { GroupCommit } from '../../dist/wal/group-commit.js';
import { RedisWal } from '../../dist/wal/redis/redis-wal.js';
import { SCRIPTS } from '../../dist/wal/redis/scripts.js';

const PLANTED = {
  'no-fences': () => {
    PLANTED['ignore-lease']();
    const text = without(SCRIPTS.commit.text, [/^if meta\[1\] ~= ARGV\[1\].*$/m, /^if meta\[3\] ~= ARGV\[3\].*$/m]);
    SCRIPTS.commit = { text, sha: createHash('sha1').update(text).digest('hex') };
  },
  'ignore-lease': () => {
    Tenure.prototype.mayStart = () => true;
    Tenure.prototype.upkeep = function upkeep() {
      if (this.lease !== undefined && this.state !== 'ended' && !this.isRenewing) void this.renew(false);
    };
    Tenure.prototype.lose = () => {};
  },
  'forget-offers': () => {
    const offer = RedisWal.prototype.offer;
    let count = 0;
    RedisWal.prototype.offer = function forgetful(shard, offers, limits) {
      count += 1;
      const isFirst = offers.some(({ number }) => number === 1);
      if (count % 50 !== 0 || isFirst || offers[0].transition.type !== 'append')
        return offer.call(this, shard, offers, limits);
      // The numbers must stay without a gap: the message is sent as another one that nobody knows.
      const [first, ...others] = offers;
      const { message } = first.transition;
      const stranger = { ...first, transition: { type: 'cancel', id: `${message.id} nobody` } };
      return offer.call(this, shard, [stranger, ...others], limits);
    };
  },
  'hasty-queries': () => {
    GroupCommit.prototype.afterRead = (callback) => callback(undefined);
  },
  'deaf-pauses': () => {
    Operations.prototype.setPaused = async () => {};
  },
  'deaf-cancels': () => {
    Operations.prototype.cancel = async () => true;
  },
};

export const BUGS = Object.keys(PLANTED);

/** One of them, or several. */
export function plantBugs(bugs = []) {
  for (const bug of bugs) {
    const plant = PLANTED[bug];
    if (plant === undefined) throw new Error(`No bug is called ${bug}; there are ${BUGS.join(', ')}.`);
    plant();
  }
}

function without(text, patterns) {
  return patterns.reduce((left, pattern) => {
    if (!pattern.test(left)) throw new Error(`The script has no line like ${pattern} any more.`);
    return left.replace(pattern, '');
  }, text);
}
