import { Command } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { textCommandOf } from '../../../src/wal/redis/text-command.js';

const TextCommand = textCommandOf(Command);

function sent(name: string, args: readonly string[]): string {
  return new TextCommand(name, args).toWritable({} as never) as string;
}

describe('a command of texts', () => {
  const borders = [0, 1, 23, 24, 25, 999, 1_000, 1_001, 70_000];

  it.each([
    ['ASCII', borders.map((length) => 'x'.repeat(length))],
    ['two bytes', borders.map((length) => 'é'.repeat(length))],
    ['the last of one byte and the first of two', ['\x7f', '\x80', 'a\x7f', 'a\x80']],
    ['three and four bytes, pairs and halves of pairs', ['€', '😀', `${'😀'.repeat(6)}`, '\ud83d', 'a\ude00b']],
    ['line ends and numbers that look like the protocol', ['\r\n', '$3\r\nabc\r\n', '*1\r\n', '0', '-1']],
    ['no argument', []],
  ])('is written as the client library writes it: %s', (_, args) => {
    expect(sent('evalsha', args)).toBe(new Command('evalsha', [...args]).toWritable({} as never));
  });

  it('answers with texts', async () => {
    const command = new TextCommand('evalsha', ['sha', '0']);
    command.resolve([Buffer.from('é'), 1, [Buffer.from('b')]]);
    await expect(command.promise).resolves.toEqual(['é', 1, ['b']]);
  });
});
