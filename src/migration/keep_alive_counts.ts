/** Connections that clients kept open with a generation, when it was replaced (--keep-alive). */
export interface KeepAliveCounts {
  /** They are the next generation's. */
  readonly moved: number;
  /** They ended before it was told to stop, as connections do. */
  readonly finished: number;
  /** They stayed with it, whatever became of them then. */
  readonly left: number;
}
