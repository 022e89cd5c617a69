/**
 * An upgrade in place: this process becomes the new program, with its process id and its children.
 *
 * Steps: trial of the new program (`succession/upgrade/preflight.ts`), a moment in which nobody is in the middle of
 * talking to the control socket, exec. Whatever fails before the exec changes nothing.
 */
import type { Logger } from "../log/logger.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import { execInPlace } from "./upgrade/in_place.ts";
import type { ResumePayload } from "./state/resumption.ts";
import { Preflight } from "./upgrade/preflight.ts";
import type { Children } from "../process/children.ts";
import { errorText } from "../platform/error.ts";

/** The control socket as an upgrade sees it. */
export interface ControlAccess {
  readonly listener: Fd;
  /** Lets nobody in any more; resolves when those inside have got their answers, or will not soon. */
  pause(): Promise<void>;
  resume(): void;
}

interface InPlaceOptions {
  readonly platform: Platform;
  readonly children: Children;
  readonly logger: Logger;
  /** Program of this baton as it was called, and its arguments up to baton's own. */
  readonly program: string;
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly controlAccess: () => ControlAccess | null;
  /** Resolves when this process has nothing in hand that the next one could not have. */
  readonly whenIdle: () => Promise<void>;
  readonly dispatch: (event: ServiceEvent) => void;
}

export class InPlaceUpgrade {
  #preflight: Preflight | null = null;
  /** Counts upgrades, so that one that was given up is recognised. */
  #current = 0;

  constructor(readonly options: InPlaceOptions) {}

  /** @param pack is called twice, for the trial and for the exec; it throws where that must not be */
  begin(asked: string | null, pack: () => ResumePayload): void {
    const { platform, children, logger } = this.options;
    const program = asked ?? this.options.program;
    const prefix = program === this.options.program ? this.options.prefix : [];
    const upgrade = ++this.#current;
    try {
      this.#preflight = new Preflight(platform, {
        program,
        prefix,
        argv: platform.runtime.argv,
        env: this.options.env,
        directory: this.options.directory,
        state: pack().state,
        onPassed: (path) => this.#go(upgrade, { path, argv: [program, ...prefix], pack }),
        onFailed: (reason) => this.#failed(reason),
      });
      children.addHelper(this.#preflight.pid);
      logger.info(`upgrade in place: tries ${program}, pid ${this.#preflight.pid}`);
    } catch (error) {
      this.#failed(errorText(error));
    }
  }

  async #go(
    upgrade: number,
    next: { path: string; argv: readonly string[]; pack: () => ResumePayload },
  ): Promise<void> {
    const { platform, env, logger, directory } = this.options;
    await this.options.whenIdle();
    const door = this.options.controlAccess();
    await door?.pause();
    // A generation may have been emptied meanwhile.
    await this.options.whenIdle();
    if (upgrade !== this.#current) return door?.resume();
    let entered = false;
    try {
      const { state, descriptors } = next.pack();
      logger.info(`upgrade in place: becomes ${next.path}`);
      // The new program reads its arguments where this one did, if that directory is still there.
      entered = platform.processes.entersDirectory(directory);
      execInPlace(platform, {
        path: next.path,
        argv: [...next.argv, ...platform.runtime.argv],
        env,
        state,
        descriptors,
      });
    } catch (error) {
      if (entered) platform.processes.changeDirectory("/");
      door?.resume();
      this.#failed(errorText(error));
    }
  }

  #failed(reason: string): void {
    this.options.dispatch({ kind: "upgrade_failed", reason });
  }

  /** Gives it up, if it is not too late. */
  abort(): void {
    this.#current++;
    this.#preflight?.cancel();
    this.#preflight = null;
  }
}
