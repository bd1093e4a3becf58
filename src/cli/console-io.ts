/**
 * What the commands see of the process around them. `main.ts` hands in the real thing, tests hand in their own. Also the
 * two ways in which a command fails for reasons that the user should read as one sentence.
 */

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

export interface ConsoleIo {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream & NodeJS.WritableStream;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls back when the user wants to stop; returns how to take that back. */
  readonly onInterrupt: (callback: () => void) => () => void;
}

/** The command line makes no sense, or the store cannot be used: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something that was asked for was not done: exit code 1. */
export class NotDoneError extends Error {
  override readonly name = 'NotDoneError';
}

export function wantsColour(io: ConsoleIo): boolean {
  const { NO_COLOR: noColour, TERM: terminal } = io.env;
  return io.stdout.isTTY === true && (noColour === undefined || noColour === '') && terminal !== 'dumb';
}
