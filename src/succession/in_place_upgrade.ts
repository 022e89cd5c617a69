/**
 * An upgrade in place: this process becomes the new program, with its process id and its children.
 *
 * Steps: check of the new program (`upgrade/preflight.ts`), a pause of the control socket while no client is waiting
 * for an answer, exec. A failure before the exec changes nothing.
 */
import type { RunningContext } from "../generation/context.ts";
import type { Logger } from "../log/logger.ts";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { HelperProcess } from "../platform/process/helper_process.ts";
import type { ResumePayload } from "./state/resumption.ts";
import { execInPlace } from "./upgrade/in_place.ts";
import { type NewProgram, newProgram } from "./upgrade/new_program.ts";
import { startPreflight } from "./upgrade/preflight.ts";

export interface ControlAccess {
  readonly listener: Fd;
  /** Sockets that an exec passes on besides its state, by name. */
  readonly ports: ReadonlyMap<string, Fd>;
  /** Accepts no client from here on; resolves when the present ones have their answers, or will not get them soon. */
  pause(): Promise<void>;
  resume(): void;
}

interface InPlaceOptions
  extends NewProgram, Pick<RunningContext, "platform" | "children" | "dispatch"> {
  readonly logger: Logger;
  readonly controlAccess: () => ControlAccess | null;
  /** Resolves when this process does nothing that the next one could not continue. */
  readonly whenIdle: () => Promise<void>;
  /** Reads the files of the configuration as they are now. @throws {UserError} when they cannot be used */
  readonly readFiles: () => string;
  /** The upgrade did not come about: this process continues. */
  readonly onStay: () => void;
}

export class InPlaceUpgrade {
  #preflight: HelperProcess | null = null;
  #aborts = 0;
  /** Content of the configuration's files, with which the new program was tried. */
  #files = "";

  constructor(readonly options: InPlaceOptions) {}

  /** @param pack is called twice, for the check and for the exec; it throws when an upgrade is not possible then */
  begin(requested: string | null, pack: () => ResumePayload): void {
    const { platform, children, logger } = this.options;
    const program = newProgram(this.options, requested);
    try {
      this.#files = this.options.readFiles();
      this.#preflight = startPreflight(platform, {
        program,
        state: pack().state,
        onPassed: (path) => {
          this.#preflight = null;
          this.#exec(program, path, pack);
        },
        onFailed: (reason) => this.#fail(reason),
      });
      children.addHelper(this.#preflight.pid);
      logger.info(`upgrade in place: tries ${program.program}, pid ${this.#preflight.pid}`);
    } catch (error) {
      this.#fail(errorText(error));
    }
  }

  async #exec(next: NewProgram, path: string, pack: () => ResumePayload): Promise<void> {
    const { platform, logger } = this.options;
    const { program, prefix, env, directory } = next;
    const aborts = this.#aborts;
    await this.options.whenIdle();
    const control = this.options.controlAccess();
    await control?.pause();
    // A generation may have left work behind meanwhile.
    await this.options.whenIdle();
    // What the poll thread has taken and this thread has not answered would be lost at the exec.
    await platform.reactor.pauseCalls();
    const resume = () => {
      platform.reactor.resumeCalls();
      control?.resume();
      this.options.onStay();
    };
    if (aborts !== this.#aborts) return resume();
    let hasMoved = false;
    try {
      this.#checkFiles();
      const payload = pack();
      logger.info(`upgrade in place: becomes ${path}`);
      // The new program reads its arguments where this one did, if that directory still exists.
      hasMoved = platform.processes.entersDirectory(directory);
      const argv = [program, ...prefix, ...platform.runtime.argv];
      execInPlace(platform, { path, argv, env }, payload);
    } catch (error) {
      if (hasMoved) platform.processes.changeDirectory("/");
      resume();
      this.#fail(errorText(error));
    }
  }

  /** Refuses files that are not those that the new program was tried with: there is no way back behind the exec. */
  #checkFiles(): void {
    if (this.options.readFiles() === this.#files) return;
    throw new Error(
      "the configuration file has changed while the new program was tried: try again",
    );
  }

  #fail(reason: string): void {
    this.#preflight = null;
    this.options.dispatch({ kind: "upgrade_failed", reason });
  }

  /** Stops the upgrade, unless the exec is over. */
  abort(): void {
    this.#aborts++;
    this.#preflight?.kill();
    this.#preflight = null;
  }
}
