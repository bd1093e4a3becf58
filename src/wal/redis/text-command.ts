/**
 * A command whose arguments are texts and stay as they are: no copy of them is made on the way, and most lengths are found
 * without leaving JavaScript. Commits have some twenty short arguments, or thousands: nearly half of the client library's
 * own time for it goes (measured). Owns nothing.
 */
import type { Command } from 'ioredis';

/** Up to here a look at each character is cheaper than the runtime's count of bytes. */
const SHORT_MAX = 24;
const LAST_ASCII = 0x7f;
/** What stands between two arguments, for the lengths that are frequent. */
const BORDERS = Array.from({ length: 1_000 }, (_, length) => borderOf(length));

export type TextCommand = new (name: string, args: readonly string[]) => Command;

/** @param command the client library's, which is loaded late. */
export function textCommandOf(command: typeof Command): TextCommand {
  return class extends command {
    constructor(name: string, args: readonly string[]) {
      super(name, [], { replyEncoding: 'utf8' });
      this.args = args as string[];
    }

    override toWritable(): string {
      return encoded(this.name, this.args as readonly string[]);
    }
  };
}

function encoded(name: string, args: readonly string[]): string {
  let text = `*${args.length + 1}${borderBefore(name)}${name}`;
  // The line end of one argument goes with the length of the next: each piece that is put on costs.
  for (const arg of args) {
    text += borderBefore(arg);
    text += arg;
  }
  return `${text}\r\n`;
}

function borderBefore(text: string): string {
  const bytes = byteLength(text);
  return BORDERS[bytes] ?? borderOf(bytes);
}

function borderOf(bytes: number): string {
  return `\r\n$${bytes}\r\n`;
}

function byteLength(text: string): number {
  const { length } = text;
  if (length > SHORT_MAX) return Buffer.byteLength(text);
  for (let at = 0; at < length; at++) if (text.charCodeAt(at) > LAST_ASCII) return Buffer.byteLength(text);
  return length;
}
