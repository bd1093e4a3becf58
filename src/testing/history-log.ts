/**
 * A history as text: JSON lines, one event each. The file form is for processes that will be killed: every event is
 * appended synchronously, so that what was written before the kill is there, and reading forgives a line that was cut.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { HistoryEvent } from './history.js';

/** Takes events in, one at a time, in order. */
export interface HistorySink {
  append(event: HistoryEvent): void;
}

/** Keeps the events in memory. */
export class HistoryBuffer implements HistorySink {
  readonly events: HistoryEvent[] = [];
  append(event: HistoryEvent): void {
    this.events.push(event);
  }
}

/** Appends to a file that several processes may share: each event is one `write` in append mode. */
export class HistoryFile implements HistorySink {
  private descriptor: number | undefined;

  constructor(readonly path: string) {}

  append(event: HistoryEvent): void {
    if (this.descriptor === undefined) {
      this.descriptor = openSync(this.path, 'a');
      // An empty line first: should the process before have been cut in the middle of a line, its rest stands alone.
      writeSync(this.descriptor, '\n\n');
    }
    writeSync(this.descriptor, formatHistoryEvent(event));
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }
}

/** One line, its end included. */
export function formatHistoryEvent(event: HistoryEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/**
 * Reads JSON lines. A line that cannot be read is left out if it is the last one or an empty line follows, as after a
 * kill; elsewhere the log is damaged and this throws with the line's number.
 */
export function* parseHistory(lines: Iterable<string>): Generator<HistoryEvent> {
  let broken: number | undefined;
  let number = 0;
  for (const line of lines) {
    number += 1;
    if (line.trim() === '') {
      broken = undefined;
      continue;
    }
    if (broken !== undefined)
      throw new Error(`Line ${broken} of the history is not an event, and it is not the last one.`);
    const event = parseLine(line);
    if (event === undefined) broken = number;
    else yield event;
  }
}

/** The events of a file written by `HistoryFile`. */
export function readHistoryFile(path: string): HistoryEvent[] {
  return [...parseHistory(readFileSync(path, 'utf8').split('\n'))];
}

function parseLine(line: string): HistoryEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const event = value as HistoryEvent | null;
    return typeof event === 'object' && typeof event?.type === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}
