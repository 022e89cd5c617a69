/**
 * The configuration of a running service, which a reload reads again. An option that counts at once has its newest value
 * everywhere; all others of a generation stay as they were when it was started.
 */
import {
  type ConfigChange,
  describeChange,
  describePostponed,
  fieldsAt,
  withFields,
} from "../config/changes.ts";
import type { Config } from "../config/config.ts";
import { presetForCommand } from "../config/presets.ts";
import { UserError } from "../config/values/errors.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Order, PlanSource } from "../lifecycle/order.ts";
import type { Logger } from "../log/logger.ts";
import type { PlanContext } from "../process/launch_plan.ts";

/** What was found in the files of the configuration. */
interface FoundConfig {
  /** The options that were found, without those that count only from a restart of baton on. */
  readonly config: Config;
  /** The order of reloads that follows from it. */
  readonly order: Order;
  readonly applied: readonly ConfigChange[];
  readonly postponed: readonly ConfigChange[];
}

/** @throws {UserError} when it cannot be used */
type RereadConfig = () => FoundConfig;

export class LiveConfig {
  /** The latest configuration that could be read. */
  current: Config;
  /** The order of reloads that follows from the latest; null: none was read again. */
  order: Order | null = null;
  /** Why the latest could not be used; null: it could. */
  failure: UserError | null = null;
  readonly #ofGeneration = new Map<number, Config>();
  readonly #atOnce = fieldsAt("at once");

  /**
   * @param rereads null: nothing was read from a file
   * @param readFiles what is in them, as it is now; throws when it cannot be used
   */
  constructor(
    initial: Config,
    readonly rereads: RereadConfig | null,
    readonly readFiles: () => string = () => "",
  ) {
    this.current = initial;
  }

  /** @returns null: nothing was read, or it cannot be used */
  reread(logger: Logger): { readonly postponed: readonly string[] } | null {
    this.failure = null;
    try {
      const found = this.rereads?.() ?? null;
      if (found === null) return null;
      const { config, order } = found;
      this.current = config;
      this.order = order;
      logger.configure({ level: config.logLevel, format: config.logFormat });
      const postponed = found.postponed.map(describePostponed);
      for (const change of found.applied) logger.info(`configuration: ${describeChange(change)}`);
      for (const text of postponed) logger.warn(`configuration: ${text}`);
      return { postponed };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.failure = error;
      return null;
    }
  }

  /** @returns how a generation with this configuration is started */
  planWith(plan: PlanContext, config: Config): PlanContext {
    return { ...plan, config, directory: config.cwd ?? "/" };
  }

  /**
   * @param good epoch of the generation whose plan is the last good one; null: there is none
   * @param isNeeded whether the configuration of another generation may still be asked for
   * @returns the context of generation `epoch`, which is about to be started
   */
  contextFor(
    context: RunningContext,
    { epoch, source, good }: {
      readonly epoch: number;
      readonly source: PlanSource;
      readonly good: number | null;
    },
    isNeeded: (epoch: number) => boolean,
  ): RunningContext {
    const kept = source === "files" ? undefined : this.#ofGeneration.get(good ?? NaN);
    const own = kept ?? this.current;
    for (const other of this.#ofGeneration.keys()) {
      if (!isNeeded(other)) this.#ofGeneration.delete(other);
    }
    this.#ofGeneration.set(epoch, own);
    return this.#withOwn(context, own);
  }

  #withOwn(context: RunningContext, own: Config): RunningContext {
    let [basis, merged] = [this.current, own];
    const newest = () => {
      if (basis !== this.current || merged === own) {
        basis = this.current;
        merged = withFields(own, basis, this.#atOnce);
      }
      return merged;
    };
    return {
      ...context,
      preset: presetForCommand(own.command, own.preset),
      get config() {
        return newest();
      },
    };
  }
}
