/** The process of one node. The first message says what it is; later ones are questions; it stops when its parent lets go. */
import type { AtomicQueuesNode } from 'atomic-queues/core';
import { createNode } from 'atomic-queues/core';
import { Deposit } from '../messages.js';
import { NotMeasured } from '../run.js';
import { Ledger } from './ledger.js';
import type { NodeTask, Question, Reply } from './node-process.js';
import { startOrderNode } from './orders/order-node.js';
import { redisConfig, started } from './systems/atomic-queues.js';

const STOP_MS = 10_000;

interface Role {
  readonly node: AtomicQueuesNode;
  answer(question: Question): Promise<unknown>;
}

let role: Role | undefined;

function startRole(task: NodeTask): Promise<Role> {
  return task.kind === 'orders' ? startOrderNode(task) : startOwner(task);
}

async function startOwner(task: Extract<NodeTask, { kind: 'owner' }>): Promise<Role> {
  const ledger = new Ledger(task.entities);
  const node = await started(() =>
    createNode({ config: redisConfig(task) }).handle(Deposit, async (message) =>
      ledger.see(message.account, message.n),
    ),
  );
  return {
    node,
    answer: async () => {
      try {
        ledger.check(ledger.handled, true);
        return { handled: ledger.handled };
      } catch (error) {
        return { handled: ledger.handled, problem: (error as Error).message };
      }
    },
  };
}

async function perform(message: NodeTask | Question): Promise<unknown> {
  if ('ask' in message) return role?.answer(message);
  role = await startRole(message);
  return 'started';
}

function reply(message: Reply): void {
  process.send?.(message);
}

process.on('message', (message: NodeTask | Question) => {
  void perform(message).then(
    (answer) => reply({ answer }),
    (error: unknown) => {
      if (error instanceof NotMeasured) reply({ notMeasured: error.message });
      else reply({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    },
  );
});
process.once('disconnect', () => {
  // Its Redis may be gone as well, and then a stop need not end.
  setTimeout(() => process.exit(1), STOP_MS);
  void Promise.resolve(role?.node.stop()).finally(() => process.exit(0));
});
