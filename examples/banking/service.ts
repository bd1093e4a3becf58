/** The HTTP service: listens on 127.0.0.1, and on SIGINT or SIGTERM ends what it has begun before it exits. */
import 'reflect-metadata';
import { type INestApplication, StandardSchemaValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule, type AppOptions } from './app.module.js';
import { ErrorsFilter } from './errors.filter.js';

export interface Service {
  readonly app: INestApplication;
  /** Without a slash at the end. */
  readonly url: string;
}

export class PortInUseError extends Error {
  constructor(port: number) {
    super(`Port ${port} is in use: choose another with --port, or leave it out.`);
  }
}

/**
 * `port` 0: a free one.
 * @throws PortInUseError
 */
export async function startService(options: AppOptions, port: number): Promise<Service> {
  const app = await NestFactory.create(AppModule.forRoot(options), {
    logger: ['warn', 'error'],
    abortOnError: false,
  });
  app.useGlobalPipes(new StandardSchemaValidationPipe());
  app.useGlobalFilters(new ErrorsFilter());
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  try {
    await app.listen(port, '127.0.0.1');
  } catch (error) {
    // The store is open already, and an open store keeps the process alive.
    await app.close();
    throw isPortInUse(error) ? new PortInUseError(port) : error;
  }
  return { app, url: await app.getUrl() };
}

function isPortInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
