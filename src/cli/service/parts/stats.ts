/** What this instance counts, and where. */
import { Registry } from "../../../stats/registry.ts";
import { StatsObserver } from "../../../supervisor/stats_observer.ts";

export function serviceStats() {
  const registry = new Registry();
  return { registry, observer: new StatsObserver(registry) };
}
