/**
 * How far SQLite's log is filled. Its file is not cut when the log starts over (cutting and growing it again was most of
 * the time that commits were held for): what it holds is told from its frames, those of the present round have the salts
 * of the header. The layout is the one of https://sqlite.org/fileformat2.html#walformat.
 */
import { readSync } from 'node:fs';

const HEADER_BYTES = 32;
/** The last bit tells in which order the checksums were made. */
const MAGIC = 0x377f0682;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES_AT = 8;
const SALTS_AT = 16;
const FRAME_SALTS_AT = 8;
const SALTS_BYTES = 8;

export class LogFill {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #salts = Buffer.alloc(SALTS_BYTES);
  readonly #found = Buffer.alloc(SALTS_BYTES);
  #frameBytes = 0;
  /** Frames at the last look, which the next one goes on from. */
  #frames = 0;

  constructor(private readonly fd: number) {}

  /** Frames in the log, those too that will never be part of it because their transaction was given up. */
  get frames(): number {
    const length = readSync(this.fd, this.#header, 0, HEADER_BYTES, 0);
    if (length < HEADER_BYTES || (this.#header.readUInt32BE(0) & ~1) !== MAGIC) {
      this.#salts.fill(0);
      this.#frames = 0;
      return 0;
    }
    if (
      this.#frameBytes === 0 ||
      this.#header.compare(this.#salts, 0, SALTS_BYTES, SALTS_AT, SALTS_AT + SALTS_BYTES) !== 0
    ) {
      this.#header.copy(this.#salts, 0, SALTS_AT);
      this.#frameBytes = this.#header.readUInt32BE(PAGE_BYTES_AT) + FRAME_HEADER_BYTES;
      this.#frames = 0;
    }
    let step = 1;
    while (this.#has(this.#frames + step)) {
      this.#frames += step;
      step *= 2;
    }
    for (step /= 2; step >= 1; step /= 2) if (this.#has(this.#frames + step)) this.#frames += step;
    return this.#frames;
  }

  /** What the frames take in the file. */
  get bytes(): number {
    const { frames } = this;
    return frames === 0 ? 0 : HEADER_BYTES + frames * this.#frameBytes;
  }

  /** `frame`: from 1 on. */
  #has(frame: number): boolean {
    const at = HEADER_BYTES + (frame - 1) * this.#frameBytes + FRAME_SALTS_AT;
    return readSync(this.fd, this.#found, 0, SALTS_BYTES, at) === SALTS_BYTES && this.#found.equals(this.#salts);
  }
}
