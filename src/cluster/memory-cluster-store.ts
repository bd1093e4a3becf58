/**
 * The cluster store in memory: a `MemoryClusterState` is what would be on the server, and each node of a process has a
 * `MemoryClusterStore` on it. For tests and the simulated cluster; it survives nothing.
 */
import { StoreUnavailableError } from '../wal/wal.js';
import {
  type Assignment,
  BindingConflictError,
  type ClusterStore,
  type ClusterView,
  type LineFormatRaise,
  type NodeRecord,
  type Rejection,
} from './cluster-store.js';

export class MemoryClusterState {
  readonly nodes = new Map<string, NodeRecord>();
  /** In the order of their indexes. */
  readonly groups: string[] = [];
  readonly groupOfType = new Map<string, string>();
  readonly namesOfType = new Map<string, Set<string>>();
  readonly assignments = new Map<string, Assignment>();
  lineFormat = 1;
}

export interface MemoryClusterStoreOptions {
  /** Default: one of its own. */
  readonly state?: MemoryClusterState | undefined;
}

export class MemoryClusterStore implements ClusterStore {
  readonly state: MemoryClusterState;
  private isStarted = false;

  constructor(options: MemoryClusterStoreOptions = {}) {
    this.state = options.state ?? new MemoryClusterState();
  }

  async start(): Promise<void> {
    this.isStarted = true;
  }

  async stop(): Promise<void> {
    this.isStarted = false;
  }

  async bind(group: string, types: Readonly<Record<string, readonly string[]>>): Promise<number> {
    this.checkStarted();
    const { groups, groupOfType, namesOfType } = this.state;
    for (const type of Object.keys(types)) {
      const boundTo = groupOfType.get(type);
      if (boundTo !== undefined && boundTo !== group) throw new BindingConflictError(type, group, boundTo);
    }
    if (!groups.includes(group)) groups.push(group);
    for (const [type, names] of Object.entries(types)) {
      groupOfType.set(type, group);
      namesOfType.set(type, new Set([...(namesOfType.get(type) ?? []), ...names]));
    }
    return groups.indexOf(group);
  }

  async beat(
    record: NodeRecord,
    replaces?: Pick<NodeRecord, 'incarnation' | 'beat'>,
  ): Promise<ClusterView & Rejection> {
    this.checkStarted();
    const stored = this.state.nodes.get(record.serverId);
    const isTaken =
      stored !== undefined &&
      stored.incarnation !== record.incarnation &&
      (stored.incarnation !== replaces?.incarnation || stored.beat !== replaces.beat);
    const rejected = isTaken || record.format < this.state.lineFormat;
    if (!rejected) this.state.nodes.set(record.serverId, structuredClone(record));
    return { ...this.read(), rejected };
  }

  async view(): Promise<ClusterView> {
    this.checkStarted();
    return this.read();
  }

  async leave(serverId: string, incarnation: string, beat?: number): Promise<void> {
    this.checkStarted();
    const stored = this.state.nodes.get(serverId);
    if (stored?.incarnation !== incarnation || (beat !== undefined && stored.beat !== beat)) return;
    this.state.nodes.delete(serverId);
  }

  async assign(group: string, assignment: Assignment): Promise<boolean> {
    this.checkStarted();
    const stored = this.state.assignments.get(group);
    const follows =
      stored === undefined ||
      assignment.term > stored.term ||
      (assignment.term === stored.term && assignment.master === stored.master && assignment.version > stored.version);
    if (follows) this.state.assignments.set(group, structuredClone(assignment));
    return follows;
  }

  async raiseLineFormat(group: string, { term, master, lineFormat }: LineFormatRaise): Promise<boolean> {
    this.checkStarted();
    const { state } = this;
    const stored = state.assignments.get(group);
    if (stored?.term !== term || stored.master !== master) return false;
    if ([...state.nodes.values()].some(({ format }) => format < lineFormat)) return false;
    state.lineFormat = Math.max(state.lineFormat, lineFormat);
    return true;
  }

  private read(): ClusterView {
    const { nodes, groups, groupOfType, namesOfType, assignments, lineFormat } = this.state;
    return structuredClone({
      nodes: [...nodes.values()].sort((a, b) => (a.serverId < b.serverId ? -1 : 1)),
      bindings: groups.map((group, index) => ({
        group,
        index,
        types: Object.fromEntries(
          [...groupOfType]
            .filter(([, boundTo]) => boundTo === group)
            .map(([type]) => [type, [...(namesOfType.get(type) ?? [])].sort()] as const)
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        ),
      })),
      assignments: Object.fromEntries(assignments),
      lineFormat,
    });
  }

  private checkStarted(): void {
    if (!this.isStarted) throw new StoreUnavailableError('The cluster store is not started.', 'no', false);
  }
}
