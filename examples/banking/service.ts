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

/** `port` 0: a free one. */
export async function startService(options: AppOptions, port: number): Promise<Service> {
  const app = await NestFactory.create(AppModule.forRoot(options), {
    logger: ['warn', 'error'],
    abortOnError: false,
  });
  app.useGlobalPipes(new StandardSchemaValidationPipe());
  app.useGlobalFilters(new ErrorsFilter());
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  await app.listen(port, '127.0.0.1');
  return { app, url: await app.getUrl() };
}
