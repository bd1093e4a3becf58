/** Latencies in an HDR histogram: recorded in milliseconds, kept in microseconds with three digits. */
import { build, type Histogram } from 'hdr-histogram-js';

const HIGHEST_US = 60_000_000;

export class Latencies {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  });

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(latencyMs: number): void {
    const us = Math.round(latencyMs * 1_000);
    this.#histogram.recordValue(us < 1 ? 1 : us > HIGHEST_US ? HIGHEST_US : us);
  }

  /** The value, milliseconds, that this share of the latencies does not exceed. */
  percentileMs(percentile: number): number {
    return this.#histogram.getValueAtPercentile(percentile) / 1_000;
  }

  get maxMs(): number {
    return this.#histogram.maxValue / 1_000;
  }
}
