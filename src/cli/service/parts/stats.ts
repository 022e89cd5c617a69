/** What this instance counts, and where: in the memory that the instance before it has left, or in new one. */
import type { Fd } from "../../../platform/fd.ts";
import { errorText } from "../../../platform/error.ts";
import { Region } from "../../../stats/region.ts";
import { Registry } from "../../../stats/registry.ts";
import { descriptorName } from "../../../succession/state/resumption.ts";
import { StatsObserver } from "../../../supervisor/stats_observer.ts";
import type { ServiceSetup } from "../service_setup.ts";
import { StatsLink } from "./stats_link.ts";
import { predecessorOf, type StartMode } from "../start_mode.ts";

export function serviceStats(
  { platform, logger, paths }: Pick<ServiceSetup, "platform" | "logger" | "paths">,
  mode: StartMode,
) {
  const registry = new Registry();
  const kept = mode.resumption?.kept ?? predecessorOf(mode)?.passedOn;
  const left = kept?.take(descriptorName.stats) ?? null;
  const region = makeRegion(platform, left, (why) => logger.warn(`statistics begin at 0: ${why}`));
  // The first baton of this service may not be the one that this history knows of.
  const startedBefore = Math.min(
    ...(region?.ofOthers() ?? []).flat()
      .filter(({ name }) => name === "baton_start_time_seconds").flatMap(({ cells }) => cells),
  );
  const attach = () => {
    if (region === null || registry.attach(region)) return;
    logger.warn("statistics cannot be read by others: too many batons of this service count there");
  };
  // Until a successor serves, its predecessor counts.
  if (mode.ownsName) attach();
  if (mode.kind === "in-place") registry.counter("baton_upgrades_total", { result: "ok" }).add();
  if (mode.kind === "recovered") registry.counter("baton_recoveries_total").add();
  return {
    registry,
    link: region && new StatsLink(paths.stats, platform.runtime.pid, region.fd),
    observer: new StatsObserver(registry, platform.clock, startedBefore),
    passedOn: new Map<string, Fd>(region === null ? [] : [[descriptorName.stats, region.fd]]),
    onTakenOver: attach,
    /** The other baton has ended: what it has counted belongs to this one. */
    onOtherGone: () => registry.collect(),
  };
}

function makeRegion(
  platform: ServiceSetup["platform"],
  left: Fd | null,
  warn: (why: string) => void,
): Region | null {
  try {
    if (left !== null) return Region.continue(platform, left);
  } catch (error) {
    left?.close();
    warn(errorText(error));
  }
  try {
    return Region.create(platform);
  } catch (error) {
    warn(`no memory for them can be shared: ${errorText(error)}`);
    return null;
  }
}
