/** "Without NestJS" in the README: a program of its own, with its store in the current folder. */
import { createNode } from 'atomic-queues/core';

const node = createNode({ config: { store: { path: 'accounts.db' } } });
node.handle('account', 'withdraw', async (message, context) => {
  return `${context.entityId} pays ${(message as { cents: number }).cents}`;
});
await node.start();
console.log(await node.queueBus.enqueueAndWait('account', 'withdraw', 'alice', { cents: 500 }));
await node.stop();
