/**
 * The contract suite of the cluster store, for any adapter and any test runner. A case rejects when the promise of its name
 * is broken.
 *
 *     it.each(clusterStoreContractCases())('$name', ({ run }) => run(factory));
 */
import assert from 'node:assert/strict';
import type { Assignment, ClusterStore, NodeRecord } from '../cluster/cluster-store.js';

/** How the suite gets stores: one empty cluster per case. */
export interface ClusterStoreFactory {
  create(): Promise<ClusterUnderTest>;
}

export interface ClusterUnderTest {
  /** Another store of the same cluster, started, as another node has it. */
  node(): Promise<ClusterStore>;
  /** Stops all stores that `node` made and removes the data. */
  dispose(): Promise<void>;
}

export interface ClusterStoreContractCase {
  readonly name: string;
  readonly run: (factory: ClusterStoreFactory) => Promise<void>;
}

export function clusterStoreContractCases(): readonly ClusterStoreContractCase[] {
  return cases.map(({ name, check }) => ({
    name,
    run: async (factory) => {
      const cluster = await factory.create();
      try {
        await check(cluster);
      } finally {
        await cluster.dispose();
      }
    },
  }));
}

function record(serverId: string, rest: Partial<NodeRecord> = {}): NodeRecord {
  return {
    serverId,
    incarnation: `${serverId}-life-1`,
    group: 'bank',
    beat: 1,
    state: 'up',
    load: 3,
    shards: { 0: 2, 17: 1 },
    types: ['account', 'loan'],
    version: '1.2.3',
    format: 1,
    ...rest,
  };
}

function table(rest: Partial<Assignment> = {}): Assignment {
  return { term: 1, version: 1, master: 'a', nodes: ['a', '', 'b'], ...rest };
}

const same = (actual: unknown, expected: unknown): void => assert.deepEqual(actual, expected);

interface Case {
  readonly name: string;
  readonly check: (cluster: ClusterUnderTest) => Promise<void>;
}

const cases: readonly Case[] = [
  {
    name: 'begins with nobody, nothing bound and nothing assigned',
    async check(cluster) {
      same(await (await cluster.node()).view(), { nodes: [], bindings: [], assignments: {}, lineFormat: 1 });
    },
  },
  {
    name: 'shows a record to every node as it was written, in the same call and later',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      const first = record('a');
      same(await a.beat(first), { nodes: [first], bindings: [], assignments: {}, lineFormat: 1, rejected: false });
      const second = record('b', { shards: {}, types: [], state: 'sender', load: 0 });
      const seen = await b.beat(second);
      same(seen.nodes, [first, second]);
      const next = record('a', { beat: 2, state: 'leaving', shards: { 3: 9_007_199_254_740_991 } });
      same((await a.beat(next)).nodes, [next, second]);
      same((await b.view()).nodes, [next, second]);
    },
  },
  {
    name: 'sorts nodes by serverId, and keeps names that need care as they are',
    async check(cluster) {
      const a = await cluster.node();
      const ids = ['node-2', 'node-10', 'Zürich', 'a "quoted" \\ name', 'constructor', '0', 'ü', '{aq}'];
      for (const id of ids) await a.beat(record(id, { group: id }));
      same(
        (await a.view()).nodes.map(({ serverId, group }) => [serverId, group]),
        [...ids].sort((x, y) => (x < y ? -1 : 1)).map((id) => [id, id]),
      );
    },
  },
  {
    name: 'rejects a namesake and leaves the record of the first as it was',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      const first = record('a', { beat: 7 });
      await a.beat(first);
      const twin = record('a', { incarnation: 'a-life-2' });
      same(await b.beat(twin), { nodes: [first], bindings: [], assignments: {}, lineFormat: 1, rejected: true });
      same((await a.beat(record('a', { beat: 8 }))).rejected, false);
    },
  },
  {
    name: 'replaces a namesake only by its incarnation and its present beat',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.beat(record('a', { beat: 7 }));
      const twin = record('a', { incarnation: 'a-life-2' });
      for (const replaces of [
        { incarnation: 'a-life-1', beat: 6 },
        { incarnation: 'a-life-0', beat: 7 },
        { incarnation: 'a-life-2', beat: 1 },
      ]) {
        same((await b.beat(twin, replaces)).rejected, true);
      }
      const taken = await b.beat(twin, { incarnation: 'a-life-1', beat: 7 });
      same([taken.rejected, taken.nodes], [false, [twin]]);
      same((await a.beat(record('a', { beat: 8 }))).rejected, true);
      same((await b.beat({ ...twin, beat: 2 }, { incarnation: 'a-life-1', beat: 7 })).rejected, false);
    },
  },
  {
    name: 'writes a record where none is, whatever it was to replace',
    async check(cluster) {
      const a = await cluster.node();
      same((await a.beat(record('a'), { incarnation: 'gone', beat: 4 })).rejected, false);
    },
  },
  {
    name: 'removes a record only if it is still the one that is meant',
    async check(cluster) {
      const a = await cluster.node();
      await a.beat(record('a', { beat: 5 }));
      await a.leave('a', 'a-life-0');
      await a.leave('a', 'a-life-1', 4);
      await a.leave('b', 'b-life-1');
      same((await a.view()).nodes.length, 1);
      await a.leave('a', 'a-life-1', 5);
      same((await a.view()).nodes, []);
      await a.leave('a', 'a-life-1', 5);
      await a.beat(record('a', { beat: 6 }));
      await a.leave('a', 'a-life-1');
      same((await a.view()).nodes, []);
    },
  },
  {
    name: 'numbers groups in the order in which they are first bound, and keeps the number (M5)',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      same(await a.bind('bank', { account: ['Withdraw', 'Deposit'] }), 0);
      same(await b.bind('shop', { order: ['*'], 'cart.v2': [] }), 1);
      same(await b.bind('audit', {}), 2);
      same(await b.bind('bank', { account: ['Deposit', 'Close'], loan: ['Grant'] }), 0);
      const { bindings } = await a.view();
      same(bindings, [
        { group: 'bank', index: 0, types: { account: ['Close', 'Deposit', 'Withdraw'], loan: ['Grant'] } },
        { group: 'shop', index: 1, types: { 'cart.v2': [], order: ['*'] } },
        { group: 'audit', index: 2, types: {} },
      ]);
      same((await a.beat(record('a'))).bindings, bindings);
      same((await a.beat(record('a', { beat: 2 }))).bindings, bindings);
    },
  },
  {
    name: 'refuses a type that belongs to another group, naming both, and then binds nothing of the call (M5)',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.bind('bank', { account: ['Withdraw'] });
      const { bindings } = await b.view();
      await assert.rejects(b.bind('shop', { order: ['Place'], account: ['Steal'] }), {
        name: 'BindingConflictError',
        entityType: 'account',
        group: 'shop',
        boundTo: 'bank',
      });
      same((await b.view()).bindings, bindings);
      same(await b.bind('shop', { order: ['Place'] }), 1);
    },
  },
  {
    name: 'keeps groups, types and names when the last node has left (M5)',
    async check(cluster) {
      const a = await cluster.node();
      await a.bind('bank', { account: ['Withdraw'] });
      await a.beat(record('a'));
      await a.leave('a', 'a-life-1');
      same((await (await cluster.node()).view()).bindings, [
        { group: 'bank', index: 0, types: { account: ['Withdraw'] } },
      ]);
    },
  },
  {
    name: 'takes a table only of a higher term, or of the same master, term and a higher version',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      const stored = async (): Promise<unknown> => (await b.view()).assignments;
      same(await a.assign('bank', table({ term: 3, version: 5 })), true);
      same(await stored(), { bank: table({ term: 3, version: 5 }) });
      for (const refused of [
        table({ term: 2, version: 9 }),
        table({ term: 3, version: 5 }),
        table({ term: 3, version: 4 }),
        table({ term: 3, version: 6, master: 'b' }),
      ]) {
        same(await b.assign('bank', refused), false);
      }
      same(await stored(), { bank: table({ term: 3, version: 5 }) });
      same(await a.assign('bank', table({ term: 3, version: 6, nodes: [] })), true);
      same(await b.assign('bank', table({ term: 4, version: 1, master: 'b' })), true);
      same(await a.assign('bank', table({ term: 3, version: 7 })), false);
      same(await a.assign('shop', table()), true);
      same(await stored(), { bank: table({ term: 4, version: 1, master: 'b' }), shop: table() });
    },
  },
  {
    name: 'lets one of many masters win a term, and one of many namesakes be there',
    async check(cluster) {
      const nodes = await Promise.all(Array.from({ length: 5 }, () => cluster.node()));
      const won = await Promise.all(nodes.map((node, n) => node.assign('bank', table({ master: `m${n}` }))));
      same(won.filter(Boolean).length, 1);
      const master = (await nodes[0]?.view())?.assignments['bank']?.master;
      same(master, `m${won.indexOf(true)}`);
      const twins = await Promise.all(nodes.map((node, n) => node.beat(record('a', { incarnation: `life-${n}` }))));
      same(twins.filter(({ rejected }) => !rejected).length, 1);
    },
  },
  {
    name: 'gives every one of many groups that are bound at once a number of its own',
    async check(cluster) {
      const nodes = await Promise.all(Array.from({ length: 6 }, () => cluster.node()));
      const indexes = await Promise.all(nodes.map((node, n) => node.bind(`group-${n}`, { [`type-${n}`]: ['*'] })));
      same(new Set(indexes), new Set([0, 1, 2, 3, 4, 5]));
    },
  },
  {
    name: 'raises the format of lines for the master of this term, and when every record understands it',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      const raise = { term: 1, master: 'a', lineFormat: 2 };
      same(await a.raiseLineFormat('bank', raise), false);
      await a.assign('bank', table());
      await a.beat(record('a', { format: 2 }));
      await b.beat(record('b', { format: 1, state: 'sender' }));
      same(await a.raiseLineFormat('bank', raise), false);
      await b.beat(record('b', { beat: 2, format: 3, lineFormat: 2 }));
      for (const refused of [
        { ...raise, master: 'b' },
        { ...raise, term: 2 },
        { ...raise, lineFormat: 3 },
      ])
        same(await b.raiseLineFormat('bank', refused), false);
      same(await a.raiseLineFormat('shop', raise), false);
      same((await b.view()).lineFormat, 1);
      same(await a.raiseLineFormat('bank', raise), true);
      same(await a.raiseLineFormat('bank', raise), true);
      same((await b.view()).lineFormat, 2);
      same((await a.beat(record('a', { beat: 2, format: 2 }))).lineFormat, 2);
    },
  },
  {
    name: 'takes no beat of a node that does not understand the lines, and tells it what they are',
    async check(cluster) {
      const [a, b] = [await cluster.node(), await cluster.node()];
      await a.assign('bank', table());
      const first = record('a', { format: 2 });
      await a.beat(first);
      await a.raiseLineFormat('bank', { term: 1, master: 'a', lineFormat: 2 });
      for (const old of [record('b'), record('a', { beat: 2 })]) {
        const { rejected, lineFormat, nodes } = await b.beat(old);
        same([rejected, lineFormat, nodes], [true, 2, [first]]);
      }
      same((await b.beat(record('b', { format: 3 }))).rejected, false);
    },
  },
  {
    name: 'gives what nobody can change through it: views are copies',
    async check(cluster) {
      const a = await cluster.node();
      const mine = { ...record('a'), types: ['account'] };
      await a.bind('bank', { account: ['*'] });
      await a.beat(mine);
      mine.types.push('loan');
      const seen = await a.view();
      (seen.nodes as NodeRecord[]).length = 0;
      same(
        (await a.view()).nodes.map(({ types }) => types),
        [['account']],
      );
    },
  },
  {
    name: 'starts and stops any number of times, and rejects what comes after the stop',
    async check(cluster) {
      const a = await cluster.node();
      await a.start();
      await a.beat(record('a'));
      await a.stop();
      await a.stop();
      for (const late of [
        () => a.view(),
        () => a.beat(record('a')),
        () => a.bind('bank', {}),
        () => a.leave('a', 'a-life-1'),
        () => a.assign('bank', table()),
        () => a.raiseLineFormat('bank', { term: 1, master: 'a', lineFormat: 2 }),
      ]) {
        await assert.rejects(late, { name: 'StoreUnavailableError' });
      }
      same((await (await cluster.node()).view()).nodes.length, 1);
    },
  },
];
