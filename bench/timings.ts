/** How long and how often things are measured. */
export interface Timings {
  readonly quick: boolean;
  readonly runs: number;
  readonly warmUpMs: number;
  readonly closedMs: number;
  readonly openMs: number;
  readonly ceilingMs: number;
  /** The drain of the recovered backlog is cut after this long; 0: it runs to its end. */
  readonly drainMs: number;
}

export const FULL: Timings = {
  quick: false,
  runs: 5,
  warmUpMs: 2_000,
  closedMs: 5_000,
  openMs: 5_000,
  ceilingMs: 2_000,
  drainMs: 0,
};

export const QUICK: Timings = {
  quick: true,
  runs: 3,
  warmUpMs: 500,
  closedMs: 700,
  openMs: 300,
  ceilingMs: 250,
  drainMs: 1_000,
};
