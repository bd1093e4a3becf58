/** A node that does not understand the format of the store's lines, in virtual time: these nodes know the first one only. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReviewCluster } from './review-cluster.js';

describe('a node that does not understand the lines of the store', () => {
  let cluster: ReviewCluster;
  beforeEach(() => {
    cluster = new ReviewCluster();
  });
  afterEach(async () => {
    await cluster.stop();
  });

  const prepared = (serverId: string) =>
    cluster.node(serverId, { prepare: (node) => void node.handle('account', 'add', () => 1) });

  it('does not start, also when the format was raised after it had looked at the store', async () => {
    const { node } = prepared('a');
    const starting = node.start().catch((error: unknown) => error);
    cluster.state.lineFormat = 2;
    expect(await cluster.until(starting)).toMatchObject({
      code: 'STORE_DEGRADED',
      retryable: false,
      message: expect.stringMatching(/are of format 2, .* up to 1.*Start this node with the version/),
    });
    expect(cluster.state.nodes.size).toBe(0);
  });

  it('stops, and says why, when the others have raised it while this one was taken for dead', async () => {
    const { node } = prepared('a');
    const errors: Error[] = [];
    node.events.on('fatal', ({ error }) => void errors.push(error));
    await cluster.until(node.start());
    cluster.state.nodes.delete('a');
    cluster.state.lineFormat = 2;
    await cluster.runtime.advance(1_000);
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/lines of this store are of format 2/),
    ]);
    expect(node.engine.phase).toBe('lost');
    expect(cluster.state.nodes.size).toBe(0);
  });
});
