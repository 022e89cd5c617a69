/**
 * The rows that `make bench` compares: this build beside the previous one and the target (issue 15). Each is one figure of
 * a section; what has no row here is printed by its section only.
 */

/** What a figure must be at most, or at least; null if it is only compared. */
export type Target = { readonly atMost: number } | { readonly atLeast: number } | null;

export interface Row {
  readonly what: string;
  /** Unit of the figure as it is printed: "ms", "MiB", ... */
  readonly unit: string;
  readonly digits: number;
  readonly target: Target;
}

export const ROWS = {
  versionMs: {
    what: "`baton --version`, whole process",
    unit: "ms",
    digits: 1,
    target: { atMost: 9 },
  },
  launcherMs: {
    what: "launcher, until it is the server",
    unit: "ms",
    digits: 1,
    target: { atMost: 5 },
  },
  goReloadMs: {
    what: "a reload of the static Go server, signal to serving",
    unit: "ms",
    digits: 1,
    target: { atMost: 8 },
  },
  keptMiB: {
    what: "of it kept after a burst of 50 reloads",
    unit: "MiB",
    digits: 1,
    target: { atMost: 2 },
  },
  shutdownOnlyExecMs: {
    what: "`baton run --shutdown-only` to the server's exec",
    unit: "ms",
    digits: 1,
    target: { atMost: 20 },
  },
  idleWakeups: { what: "wake-ups per second, idle", unit: "", digits: 1, target: { atMost: 0 } },
  anonymousMiB: {
    what: "private memory that is not the program file",
    unit: "MiB",
    digits: 1,
    target: { atMost: 8 },
  },
  drainAfterQuietMs: {
    what: "9,000 idle connections of Node drained, after `--quiet`",
    unit: "ms",
    digits: 0,
    target: { atMost: 1_000 },
  },
  drainCpuSeconds: {
    what: "the same, CPU of baton",
    unit: "s",
    digits: 2,
    target: { atMost: 0.3 },
  },
  drainCut: { what: "the same, reported as cut", unit: "", digits: 0, target: { atMost: 0 } },
  statusMs: {
    what: "`baton status` at 9,000 connections",
    unit: "ms",
    digits: 0,
    target: { atMost: 50 },
  },
  keptP99Ms: {
    what: "256 kept clients without a pause, Node: 99 %",
    unit: "ms",
    digits: 0,
    target: { atMost: 150 },
  },
  keptSlowestMs: { what: "the same, slowest", unit: "ms", digits: 0, target: { atMost: 400 } },
  workersByOneNode: {
    what: "requests/s of 2 workers of a CPU-bound Node server, by one",
    unit: "times",
    digits: 2,
    target: { atLeast: 1.8 },
  },
  workersByOnePython: {
    what: "the same, Python",
    unit: "times",
    digits: 2,
    target: { atLeast: 1.8 },
  },
  workersByCluster: {
    what: "the same server and number, by Node's own cluster",
    unit: "times",
    digits: 2,
    target: { atLeast: 1 },
  },
  workersByPm2: {
    what: "the same, by `pm2 -i 2`",
    unit: "times",
    digits: 2,
    target: { atLeast: 1 },
  },
  leastP95Ms: {
    what: "4 workers, one busy for 200 ms in each second, `--spread least`: 95 %",
    unit: "ms",
    digits: 1,
    target: null,
  },
} as const satisfies Record<string, Row>;

export type FigureName = keyof typeof ROWS;
