/**
 * `atomic-queues/testing`: an in-memory app with a virtual clock for tests of your own handlers, and the tools with which
 * the library tests itself: the contract suite of stores, a store that fails on demand, and the history checker.
 */

export { MemoryClusterState, MemoryClusterStore } from './cluster/memory-cluster-store.js';
export {
  MemoryNetwork,
  type MemoryNetworkOptions,
  MemoryTransport,
} from './cluster/transport/memory/memory-transport.js';
export { MemoryRegistry, MemoryRegistryState } from './contracts/memory-registry.js';
export {
  type ClusterStoreContractCase,
  type ClusterStoreFactory,
  clusterStoreContractCases,
} from './testing/cluster-store-contract.js';
export { type Fault, FaultyWal, type WalCall } from './testing/faulty-wal.js';
export type * from './testing/history.js';
export { checkHistory, HistoryChecker } from './testing/history-checker.js';
export {
  formatHistoryEvent,
  HistoryBuffer,
  HistoryFile,
  type HistorySink,
  parseHistory,
  readHistoryFile,
} from './testing/history-log.js';
export {
  type BusRecording,
  HistoryRecorder,
  type HistoryRecorderOptions,
  type LifecycleSource,
  type RecordableBus,
  type RecordableOptions,
} from './testing/history-recorder.js';
export { RecordingSharedWal, type SharedRecording } from './testing/history-recording-shared-wal.js';
export { type CallOfEnvelope, recordFinal, recordWal } from './testing/history-recording-wal.js';
export {
  explain,
  explainViolation,
  type HistoryCounts,
  type HistoryReport,
  type Invariant,
  type Seen,
  type Violation,
} from './testing/history-report.js';
export type { EntityTypeRules, HistoryOptions } from './testing/history-tracks.js';
export {
  SimulatedCluster,
  type SimulatedClusterOptions,
  type SimulatedNode,
  type SimulatedNodeOptions,
  type SimulationSeams,
} from './testing/simulation/simulated-cluster.js';
export { type CallChances, SimulatedFaults, type WireChances } from './testing/simulation/simulated-faults.js';
export { SimulatedProcess } from './testing/simulation/simulated-process.js';
export {
  explainRun,
  runSimulation,
  type SimulationOptions,
  type SimulationRun,
} from './testing/simulation/simulation-run.js';
export {
  createTestApp,
  type Inspection,
  type PendingMessage,
  TestApp,
  type TestAppOptions,
} from './testing/test-app.js';
export { type AppEvent, EventLog } from './testing/test-app-events.js';
export {
  type TransportContractCase,
  type TransportFactory,
  transportContractCases,
} from './testing/transport-contract.js';
export { VirtualRuntime, type VirtualRuntimeOptions } from './testing/virtual-runtime.js';
export {
  ContractClock,
  type GeneratedSequenceOptions,
  runGeneratedSequence,
  type WalContractCase,
  type WalFactory,
  type WalFactoryOptions,
  type WalUnderTest,
  walContractCases,
} from './testing/wal-contract.js';
export { MemoryStore, type MemoryStoreOptions, MemoryWal, type MemoryWalOptions } from './wal/memory/memory-wal.js';
