/** What handlers and callers did, as JSON lines, each written synchronously: the evidence of `effects-judge.ts`. */
import { openSync, writeSync } from 'node:fs';

export class EffectsFile {
  #descriptor;

  constructor(path) {
    this.#descriptor = openSync(path, 'a');
    // Should the process before have been cut in the middle of a line, its rest stands alone.
    writeSync(this.#descriptor, '\n');
  }

  append(line) {
    writeSync(this.#descriptor, `${JSON.stringify(line)}\n`);
  }
}
