/** Keep-alive connections of a generation when it was replaced (--keep-alive). */
export interface KeepAliveCounts {
  /** The next generation has them. */
  readonly moved: number;
  /** They ended by themselves before the stop signal. */
  readonly finished: number;
  /** They stayed with the old generation, whatever happened to them then. */
  readonly left: number;
}
