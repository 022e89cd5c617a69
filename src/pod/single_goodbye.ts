/** How the one server of `--shutdown-only` is asked to say goodbye: it is reached where it listens, since nothing is steered. */
import type { Config } from "../config/config.ts";
import type { CommandPreset } from "../config/presets.ts";
import { Farewell } from "../generation/goodbye/farewell.ts";
import { Goodbye } from "../generation/goodbye/goodbye.ts";
import { Leftovers } from "../generation/leftovers.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import type { Platform } from "../platform/platform.ts";
import type { Children } from "../process/children.ts";
import type { ServerProcess } from "../process/server_process.ts";
import { type DrainCallView, NO_DRAIN_CALLS, withCall } from "../report/drain_calls.ts";

interface SingleGoodbyeParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly preset: CommandPreset;
  readonly logger: Logger;
  readonly children: Children;
  readonly server: ServerProcess;
  readonly epoch: number;
  ports(): readonly number[];
}

export class SingleGoodbye {
  readonly #goodbye: Goodbye;
  readonly #farewell = new Farewell();
  #hasBegun = false;
  #isOver = false;
  #after: (() => void)[] = [];
  counts = NO_DRAIN_CALLS;

  constructor(readonly parts: SingleGoodbyeParts) {
    const { platform, config, preset, logger, children, server, epoch, ports } = parts;
    const listeners = {
      groups: [],
      isOfService: () => false,
      get ports() {
        return [...ports()];
      },
    };
    const context = {
      platform,
      config,
      preset,
      children,
      listeners,
      leftovers: new Leftovers(platform.clock),
      notices: new Set<string>(),
      log: (text: string) => logger.info(text),
      logError: (text: string) => logger.error(text),
      dispatch: (event: ServiceEvent) => {
        if (event.kind !== "drain_called") return;
        this.counts = withCall(this.counts, event, new Date(platform.clock.wallMs()));
      },
    };
    const name = () => "the server";
    // The first process is the leading one. What it has written down about its address is its own.
    const side = { owners: () => server.processes(), listensAt: () => true };
    this.#goodbye = new Goodbye({ context, epoch, number: 0, name, side, server }, {
      addReady: () => {},
      onChange: () => {},
    });
  }

  get views(): readonly DrainCallView[] {
    return this.#goodbye.views;
  }

  /** To be called before the server is started. */
  onStart(): void {
    this.#goodbye.onStart();
  }

  /** To be called when the server's drain begins. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#farewell.say([{ goodbye: this.#goodbye }], () => this.#end());
  }

  /** Calls `then` when the server has been asked, or could not be: at once if that is long ago. */
  whenSaid(then: () => void): void {
    this.begin();
    if (this.#isOver) then();
    else this.#after.push(then);
  }

  #end(): void {
    this.#isOver = true;
    for (const then of this.#after.splice(0)) then();
  }

  /** To be called when the server has exited, or is killed. */
  close(): void {
    this.#farewell.cancel();
    this.#after = [];
    this.#goodbye.close();
  }
}
