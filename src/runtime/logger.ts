/** Where the library says what an operator should know. NestJS apps get Nest's own logger; the core is silent by default. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

/** The same logger, whose failures harm nobody: a log line that cannot be written must not stop a commit. */
export function guardedLogger(logger: Logger): Logger {
  const guarded =
    <A extends unknown[]>(write: (...line: A) => void) =>
    (...line: A): void => {
      try {
        write(...line);
      } catch {
        // There is nowhere left to say it.
      }
    };
  return {
    debug: guarded((message: string) => logger.debug(message)),
    info: guarded((message: string) => logger.info(message)),
    warn: guarded((message: string) => logger.warn(message)),
    error: guarded((message: string, cause?: unknown) => logger.error(message, cause)),
  };
}
