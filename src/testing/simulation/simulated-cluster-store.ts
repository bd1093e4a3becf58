/** The cluster store as a process of the simulated cluster sees it: every call goes over its connection. */
import type {
  Assignment,
  ClusterStore,
  ClusterView,
  LineFormatRaise,
  NodeRecord,
  Rejection,
} from '../../cluster/cluster-store.js';
import type { SimulatedConnection } from './simulated-connection.js';

export class SimulatedClusterStore implements ClusterStore {
  constructor(
    private readonly server: ClusterStore,
    private readonly connection: SimulatedConnection,
  ) {}

  async start(): Promise<void> {}
  async stop(): Promise<void> {
    this.connection.close();
  }

  bind(group: string, types: Readonly<Record<string, readonly string[]>>): Promise<number> {
    return this.connection.call('bind', () => this.server.bind(group, types));
  }
  beat(record: NodeRecord, replaces?: Pick<NodeRecord, 'incarnation' | 'beat'>): Promise<ClusterView & Rejection> {
    return this.connection.call('beat', () => this.server.beat(record, replaces));
  }
  view(): Promise<ClusterView> {
    return this.connection.call('view', () => this.server.view());
  }
  leave(serverId: string, incarnation: string, beat?: number): Promise<void> {
    return this.connection.call('leave', () => this.server.leave(serverId, incarnation, beat));
  }
  assign(group: string, assignment: Assignment): Promise<boolean> {
    return this.connection.call('assign', () => this.server.assign(group, assignment));
  }
  raiseLineFormat(group: string, raise: LineFormatRaise): Promise<boolean> {
    return this.connection.call('raiseLineFormat', () => this.server.raiseLineFormat(group, raise));
  }
}
