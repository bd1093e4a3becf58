import { describe, it } from 'vitest';
import { MemoryClusterState, MemoryClusterStore } from '../../src/cluster/memory-cluster-store.js';
import { type ClusterStoreFactory, clusterStoreContractCases } from '../../src/testing/cluster-store-contract.js';

const factory: ClusterStoreFactory = {
  create: async () => {
    const state = new MemoryClusterState();
    return {
      node: async () => {
        const store = new MemoryClusterStore({ state });
        await store.start();
        return store;
      },
      dispose: async () => {},
    };
  },
};

describe('the cluster store in memory', () => {
  it.each(clusterStoreContractCases())('$name', ({ run }) => run(factory));
});
