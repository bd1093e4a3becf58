import { afterEach, describe, expect, it } from 'vitest';
import { ReviewCluster } from './review-cluster.js';

let cluster: ReviewCluster;

afterEach(async () => {
  await cluster.stop();
});

describe('names that are also members of every object', () => {
  for (const [group, type, name] of [
    ['constructor', 'toString', 'valueOf'],
    ['__proto__', 'hasOwnProperty', 'toLocaleString'],
  ] as const) {
    it(`are names of groups, types and messages like others: ${group}, ${type}, ${name}`, async () => {
      cluster = new ReviewCluster(2, 2);
      const config = { cluster: { serviceGroup: group } };
      const { node } = cluster.node('n1', {
        config,
        prepare: (each) => void each.handle(type, name, () => 'done'),
      });
      const { node: sender } = cluster.node('n2', { config: { cluster: { serviceGroup: 'senders' } } });
      await cluster.until(node.start());
      await cluster.until(sender.start());
      expect(await cluster.until(sender.queueBus.enqueueAndWait(type, name, 'x', {}))).toBe('done');
      await expect(cluster.until(sender.queueBus.enqueue('valueOf', name, 'x', {}))).rejects.toMatchObject({
        code: 'UNKNOWN_ENTITY_TYPE',
      });
      await expect(cluster.until(sender.queueBus.enqueue(type, 'isPrototypeOf', 'x', {}))).rejects.toMatchObject({
        code: 'UNKNOWN_MESSAGE',
      });
    });
  }
});
