/** Errors of the bank and of the queues as HTTP answers. */
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { AtomicQueuesError, type ErrorCode } from 'atomic-queues';
import type { Response } from 'express';
import { AccountNotFound } from './accounts/account.js';

/** Codes that are not here are answered with 500. */
const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  INVALID_PAYLOAD: 400,
  ENTITY_ID_MISSING: 400,
  PAYLOAD_TOO_LARGE: 413,
  QUEUE_DEPTH_EXCEEDED: 429,
  WORKER_LIMIT_EXCEEDED: 429,
  BACKPRESSURE: 429,
  SHUTTING_DOWN: 503,
  STORE_DEGRADED: 503,
  ENTITY_PAUSED: 503,
  REPLY_TIMEOUT: 504,
  HANDLER_TIMEOUT: 504,
};

@Catch(AccountNotFound, AtomicQueuesError)
export class ErrorsFilter implements ExceptionFilter<AccountNotFound | AtomicQueuesError> {
  catch(error: AccountNotFound | AtomicQueuesError, host: ArgumentsHost): void {
    // Global filters are asked about messages too: those keep the errors that they have.
    if (host.getType() !== 'http') return;
    const response = host.switchToHttp().getResponse<Response>();
    const { status, reason, message } = describe(error);
    if (status === 429 || status === 503) response.setHeader('Retry-After', '1');
    response.status(status).json({ statusCode: status, reason, message });
  }
}

function describe(error: AccountNotFound | AtomicQueuesError): { status: number; reason: string; message: string } {
  if (error instanceof AccountNotFound) return { status: 404, reason: error.name, message: error.message };
  // A handler's own error arrives as the cause, with its name and message, but not as an instance of its class.
  if (error.code === 'HANDLER_FAILED' && error.cause instanceof Error && error.cause.name === 'AccountNotFound') {
    return { status: 404, reason: error.cause.name, message: error.cause.message };
  }
  return { status: STATUS_BY_CODE[error.code] ?? 500, reason: error.code, message: error.message };
}
