/**
 * What `@WorkerProcessor` and `@JobHandler` record on a class, kept under a registered symbol so that it is found
 * whichever copy of this package wrote it. Own to each class; what a class inherits is put together on reading.
 */
import { classChain } from '../message/class-metadata.js';
import type { ClassReference } from '../message/class-reference.js';
import type { WorkerProcessorOptions } from './worker-processor.js';

/** One `@JobHandler`: which method, and the wire name or the message class that it takes. */
export interface JobMethod {
  readonly method: string | symbol;
  readonly takes: string | ClassReference;
}

interface ProcessorMetadata {
  options?: WorkerProcessorOptions;
  readonly methods: JobMethod[];
}

const METADATA = Symbol.for('atomic-queues.processor');

export function ownProcessorMetadata(cls: object): Readonly<ProcessorMetadata> | undefined {
  return Object.hasOwn(cls, METADATA) ? (cls as { [METADATA]?: ProcessorMetadata })[METADATA] : undefined;
}

export function writableProcessorMetadata(cls: object): ProcessorMetadata {
  const known = ownProcessorMetadata(cls) as ProcessorMetadata | undefined;
  if (known !== undefined) return known;
  const metadata: ProcessorMetadata = { methods: [] };
  Object.defineProperty(cls, METADATA, { value: metadata });
  return metadata;
}

/** A processor as it is after inheritance: the nearest options, and for each method its nearest decorators. */
export interface ProcessorDescription {
  /** Undefined when the class has `@JobHandler` methods but no `@WorkerProcessor`. */
  readonly options: WorkerProcessorOptions | undefined;
  readonly methods: readonly JobMethod[];
}

export function readProcessor(cls: object): ProcessorDescription | undefined {
  let options: WorkerProcessorOptions | undefined;
  const methods: JobMethod[] = [];
  let found = false;
  for (const at of classChain(cls)) {
    const metadata = ownProcessorMetadata(at);
    if (metadata === undefined) continue;
    found = true;
    options ??= metadata.options;
    const nearer = new Set(methods.map(({ method }) => method));
    methods.push(...metadata.methods.filter(({ method }) => !nearer.has(method)));
  }
  return found ? { options, methods } : undefined;
}
