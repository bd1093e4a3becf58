/** A file that was generated: its place in the output folder, and what is to stand in it. */
export interface GeneratedFile {
  /** A plain file name, never a path. */
  readonly path: string;
  readonly text: string;
}
