/**
 * Real Redis or Valkey servers for tests and for the chaos run, each with its own process, free port of 127.0.0.1 and
 * folder: single, replicated, watched by Sentinels, as a Cluster, and behind a proxy that breaks connections. Nothing is
 * left behind, also when a test fails or its process is killed. Plain JavaScript, so that Node runs it as it is; the types
 * are in `harness.d.mts`.
 */
export { serverHasTls, serverMajor } from './capabilities.mjs';
export { certificate } from './certificates.mjs';
export { RedisCluster } from './cluster.mjs';
export { programOnPath } from './processes.mjs';
export { TcpProxy } from './proxy.mjs';
export { until } from './resp.mjs';
export { SentinelSet } from './sentinel.mjs';
export { RedisServer } from './server.mjs';
