/**
 * The lines that `hot-restarter.py` of Envoy prints on standard output, which scripts and log collectors read: the level,
 * the place in that program, and the text of each (envoyproxy/envoy, restarter/hot-restarter.py). Pure.
 */
type Level = "INFO" | "WARNING" | "ERROR";

export interface Line {
  readonly level: Level;
  /** The file and line that the original names, or "baton". */
  readonly source: string;
  readonly text: string;
}

/** Local time, as localtime(3) has it. */
interface LocalTime {
  readonly year: number;
  /** The month, from 1 on. */
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

export function formatLine(line: Line, pid: number, time: LocalTime, ms: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${String(time.year).padStart(4, "0")}-${two(time.month)}-${two(time.day)}`;
  const clock = `${two(time.hours)}:${two(time.minutes)}:${two(time.seconds)}`;
  const at = `${date} ${clock}.${String(ms).padStart(3, "0")}`;
  return `[${at}][${pid}][${line.level}][core] [${line.source}] ${line.text}`;
}

function original(number: number, level: Level, text: string): Line {
  return { level, source: `hot-restarter.py:${number}`, text };
}

/** What baton says besides the original's lines. */
export function own(level: Level, text: string): Line {
  return { level, source: "baton", text };
}

export const LINES = {
  starting: (target: string) =>
    original(208, "INFO", `starting hot-restarter with target: ${target}`),
  forking: (epoch: number) =>
    original(181, "INFO", `forking and execing new child process at epoch ${epoch}`),
  forked: (pid: number) => original(190, "INFO", `forked new child process with PID=${pid}`),
  gotHup: original(109, "INFO", "got SIGHUP"),
  gotTerm: original(95, "WARNING", "got SIGTERM"),
  gotInt: original(101, "WARNING", "got SIGINT"),
  gotChld: original(130, "INFO", "got SIGCHLD"),
  sendingUsr1: (pid: number) => original(117, "INFO", `sending SIGUSR1 to PID=${pid}`),
  usr1Failed: (pid: number) => original(121, "ERROR", `error in SIGUSR1 to PID=${pid} continuing`),
  sendingTerm: (pid: number) => original(36, "INFO", `sending TERM to PID=${pid}`),
  termFailed: (pid: number) => original(40, "ERROR", `error sending TERM to PID=${pid} continuing`),
  allExited: original(62, "INFO", "all children exited cleanly"),
  notExited: (pid: number) =>
    original(65, "INFO", `child PID=${pid} did not exit cleanly, killing`),
  killing: (pid: number) => original(77, "WARNING", `force killing PID=${pid}`),
  killFailed: (pid: number) => original(81, "ERROR", `error force killing PID=${pid} continuing`),
  exited: (pid: number, code: number) =>
    code === 0
      ? original(147, "INFO", `PID=${pid} exited with code=0`)
      : original(152, "WARNING", `PID=${pid} exited with code=${code}`),
  signalled: (pid: number, signal: number) =>
    original(155, "WARNING", `PID=${pid} was killed with signal=${signal}`),
  abnormal: original(
    162,
    "WARNING",
    "Due to abnormal exit, force killing all child processes and exiting",
  ),
  noChildren: original(171, "WARNING", "exiting due to lack of child processes"),
};
