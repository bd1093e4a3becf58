/** What `npm start -- …` understands. Anything else is refused with exit code 2 before anything is started. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

export interface Options {
  /** Exit after the measurement instead of serving on. */
  readonly once: boolean;
  /** Print the figures as one line of JSON, the last one on stdout. */
  readonly json: boolean;
  /** How long each side is under load. */
  readonly seconds: number;
  /** Use the accounts and the queue store of the last start, and leave them for the next one. */
  readonly keep: boolean;
  /** 0: a free one. */
  readonly port: number;
}

const EXIT_USAGE = 2;

export function parseOptions(argv: readonly string[]): Options {
  const command = new Command('npm start --')
    .description('A banking service under load: the CommandBus of NestJS beside the QueueBus of atomic-queues.')
    .option('--once', 'measure, print the figures and exit', false)
    .addOption(
      new Option('--json', 'print the figures as one line of JSON (implies --once)')
        .default(false)
        .implies({ once: true }),
    )
    .option('--seconds <seconds>', 'how long each side is under load', seconds, 5)
    .option('--keep', 'keep the accounts and the queues in examples/banking/.data', false)
    .addOption(
      new Option('--port <port>', 'where to listen; 0 takes a free port').default(0).env('PORT').argParser(port),
    )
    .exitOverride();
  try {
    return command.parse(argv).opts<Options>();
  } catch (error) {
    // Commander has said what is wrong, or has printed the help.
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    throw error;
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0.5 && value <= 600)) {
    throw new InvalidArgumentError('Expected a number from 0.5 to 600.');
  }
  return value;
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  }
  return Number(text);
}
