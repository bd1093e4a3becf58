/** Nest's own logger behind the library's port, so that an application's choice of logger holds here too. */
import { Logger as NestLogger } from '@nestjs/common';
import type { Logger } from '../runtime/logger.js';

/** `verbose: false` keeps back what only helps to follow the library at work. */
export function nestLogger(verbose: boolean): Logger {
  const logger = new NestLogger('AtomicQueues');
  return {
    debug: (message) => {
      if (verbose) logger.debug(message);
    },
    info: (message) => logger.log(message),
    warn: (message) => logger.warn(message),
    error: (message, cause) => logger.error(message, cause instanceof Error ? cause.stack : cause),
  };
}
