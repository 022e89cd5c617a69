/**
 * A check by the operator's command, `sh -c COMMAND`: exit status 0 is a success. It runs in its own process group,
 * which is killed at the timeout. The last line of its output becomes part of the result.
 *
 * Failures count toward the threshold, as in the kubelet: a status does not tell a wrong answer from none. If the shell
 * cannot be started (no descriptor, no memory, no such file) the check is skipped.
 */
import type { Timer } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import type { Watch } from "../platform/reactor.ts";
import type { RunningCheck } from "./check_loop.ts";
import { type CheckOutcome, failure, skipped, success } from "./monitor.ts";
import { errorText } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";

const SHELL = "/bin/sh";
const CHUNK = 4096;
const LONGEST_LINE = 200;

interface ExecCheckOptions {
  readonly command: string;
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Baton's child has started; `onEnd` is to be called once it is reaped. */
  readonly onStarted: (pid: number, onEnd: (status: ExitStatus) => void) => void;
  readonly onResult: (result: CheckOutcome) => void;
  /** Starts the command with these as descriptors 0 to 2, as another user. @default as baton's own */
  readonly start?: (stdio: readonly [Fd, Fd, Fd]) => number;
}

export class ExecCheck implements RunningCheck {
  #timer: Timer | null = null;
  #pid: number | null = null;
  #output: { readonly fd: Fd; watch: Watch | null } | null = null;
  #text = "";
  #isOver = false;

  constructor(readonly platform: Platform, readonly options: ExecCheckOptions) {
    const { timeoutMs } = options;
    const { clock } = platform;
    try {
      this.#start();
      this.#timer = clock.after(timeoutMs, () => {
        this.#kill();
        this.#finish(failure(`it still ran after ${timeoutMs / 1000} s${this.#lastLine}`));
      });
    } catch (error) {
      this.#closeOutput();
      this.#timer = clock.after(0, () => this.#finish(skipped(errorText(error))));
    }
  }

  #start(): void {
    const { descriptors, processes, reactor } = this.platform;
    const { command, directory, env } = this.options;
    const { read, write } = descriptors.pipe();
    using output = write;
    this.#output = { fd: read, watch: null };
    using input = descriptors.open("/dev/null", C.O_RDONLY);
    descriptors.setNonblocking(read);
    this.#output.watch = reactor.watch(read, () => this.#onOutput());
    const stdio = [input, output, output] as const;
    this.#pid = this.options.start?.(stdio) ?? processes.spawn({
      path: SHELL,
      argv: ["sh", "-c", 'cd -- "$1" && eval "$2"', "sh", directory, command],
      env,
      descriptors: stdio,
    });
    this.options.onStarted(this.#pid, (status) => this.#onEnd(status));
  }

  cancel(): void {
    this.#isOver = true;
    this.#kill();
    this.#closeOutput();
  }

  #kill(): void {
    this.#timer?.cancel();
    if (this.#pid !== null) this.platform.processes.signal(-this.#pid, C.SIGKILL);
  }

  #onOutput(): void {
    if (this.#readOutput()) this.#output?.watch?.arm();
  }

  /** @returns whether more may come */
  #readOutput(): boolean {
    if (this.#output === null) return false;
    const bytes = this.platform.descriptors.read(this.#output.fd, new Uint8Array(CHUNK));
    if (bytes === null) return true;
    if (bytes.length === 0) {
      this.#closeOutput();
      return false;
    }
    this.#text = (this.#text + new TextDecoder().decode(bytes)).slice(-CHUNK);
    return true;
  }

  get #lastLine(): string {
    const line = this.#text.trimEnd().split("\n").at(-1)?.trim() ?? "";
    return line === "" ? "" : `: ${line.slice(0, LONGEST_LINE)}`;
  }

  #onEnd(status: ExitStatus): void {
    // Forgotten once it is reaped: the number may name another group then.
    this.#pid = null;
    this.#timer?.cancel();
    // Output that the reactor has not reported yet.
    this.#readOutput();
    if (status.kind === "exited" && status.code === 0) {
      return this.#finish(success("exit status 0"));
    }
    const how = status.kind === "exited"
      ? `exit status ${status.code}`
      : status.kind === "signalled"
      ? `killed by signal ${status.signal}`
      : "it exited";
    this.#finish(failure(how + this.#lastLine));
  }

  #finish(result: CheckOutcome): void {
    this.#closeOutput();
    if (this.#isOver) return;
    this.#isOver = true;
    this.options.onResult(result);
  }

  #closeOutput(): void {
    this.#output?.watch?.cancel();
    this.#output?.fd.close();
    this.#output = null;
  }
}
