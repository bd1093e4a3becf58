import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createNode } from '../../../src/core.js';
import { atomicQueues, folder } from './command-line.js';

it('lists reminders and forgets one, beside the application and without it', async () => {
  const path = join(folder(), 'store.db');
  const node = createNode({ config: { store: { path } } });
  node.handle('meter', 'Read', () => {});
  await node.start();
  const at = Date.parse('2100-01-01T00:00:00Z');
  for (const id of ['a', 'b'])
    await node.queueBus.forEntity('meter', id).remind('read', 'Read', { id }, { everyMs: 1_000, startAt: at });
  await node.queueBus.forEntity('meter', 'a').remind('bill', 'Read', {}, { cron: '0 0 1 1 *', startAt: at });
  const listed = await atomicQueues(['reminders', 'list', '--path', path]);
  expect(listed.code).toBe(0);
  expect(listed.stdout).toContain('every 1000 ms');
  expect(listed.stdout).toContain('0 0 1 1 * (UTC)');
  const json = await atomicQueues(['reminders', 'list', '--path', path, '--type', 'meter', '--id', 'b', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    reminders: [{ name: 'read', entityId: 'b', payload: { id: 'b' }, nextRunAt: '2100-01-01T00:00:00.000Z' }],
  });
  const forget = (name: string) =>
    atomicQueues(['reminders', 'forget', '--path', path, '--type', 'meter', '--id', 'a', '--name', name]);
  expect(await forget('read')).toMatchObject({ code: 0, stdout: expect.stringContaining('is forgotten') as string });
  expect(await forget('read')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no reminder "read"') as string,
  });
  await node.stop();
  expect(await forget('bill')).toMatchObject({ code: 0 });
  const left = await atomicQueues(['reminders', 'list', '--path', path, '--json']);
  expect(JSON.parse(left.stdout)).toMatchObject({ reminders: [{ entityId: 'b' }] });
  expect((await atomicQueues(['reminders', 'list', '--path', path, '--id', 'a'])).code).toBe(2);
});
