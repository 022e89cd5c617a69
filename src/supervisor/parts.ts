/** What the supervisor works with: the running generations, and all that is kept about them. */
import type { RunningContext } from "../generation/context.ts";
import { Deadlines } from "../generation/deadlines.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { Leftovers } from "../generation/leftovers.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import { GoodPlans } from "../process/good_plan.ts";
import { History } from "../report/history.ts";
import { PendingReloads } from "../report/pending_reloads.ts";
import { HeldClients } from "../rollout/held_clients.ts";
import { LateListeners } from "../rollout/late_listeners.ts";
import { Trials } from "../rollout/trials.ts";
import { journalOf } from "../succession/service_journal.ts";
import type { SupervisorOptions } from "./options.ts";
import { ServiceHooks } from "./service_hooks.ts";
import { launcherOf } from "./worker_launch.ts";

export class SupervisorParts {
  readonly context: RunningContext;
  readonly config: SupervisorOptions["liveConfig"];
  /** By epoch. */
  readonly running = new Map<number, GenerationHandle>();
  readonly history: History;
  readonly reloads: PendingReloads;
  readonly deadlines: Deadlines;
  readonly trials: Trials;
  readonly lateListeners: LateListeners;
  readonly hooks: ServiceHooks;
  readonly goodPlans: GoodPlans;
  readonly heldClients: HeldClients;
  /** What one more worker of a generation is started with. */
  readonly launch = launcherOf(this);

  /** @param service its present state */
  constructor(
    readonly options: SupervisorOptions,
    dispatch: RunningContext["dispatch"],
    readonly service: () => ServiceState,
  ) {
    const { logger } = options;
    const { platform } = options.context;
    const live = this.config = options.liveConfig;
    const { clock } = platform;
    this.goodPlans = new GoodPlans(platform);
    this.history = new History(clock);
    this.context = {
      ...options.context,
      get config() {
        return live.current;
      },
      journal: journalOf(this, service),
      leftovers: new Leftovers(clock),
      notices: new Set(),
      dispatch,
      log: (message) => logger.info(message),
      logError: (message) => logger.error(message),
    };
    const { context, running, history } = this;
    this.reloads = new PendingReloads(clock);
    this.deadlines = new Deadlines(context, running, (epoch) => service().held === epoch);
    this.trials = new Trials(context, running, logger);
    this.lateListeners = new LateListeners({ context, running, history, service });
    this.heldClients = new HeldClients(context);
    this.hooks = new ServiceHooks(this);
  }

  servingIn(state: ServiceState): GenerationHandle | null {
    return this.running.get(servingOf(state)?.epoch ?? NaN) ?? null;
  }
}
