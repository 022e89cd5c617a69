/** The metrics that every exporter has about its own process, by the names that Prometheus' libraries give them. Pure. */
import type { OwnUsage } from "../platform/own_usage.ts";
import type { Family } from "./family.ts";

// deno-fmt-ignore: one family per entry, so that it reads as a table
export function processFamilies(usage: OwnUsage): Family[] {
  return [
    family("counter", "process_cpu_seconds_total", "User and system CPU time of baton", usage.cpuSeconds),
    family("gauge", "process_resident_memory_bytes", "Resident memory of baton", usage.residentBytes),
    family("gauge", "process_virtual_memory_bytes", "Virtual memory of baton", usage.virtualBytes),
    family("gauge", "process_start_time_seconds", "When the process of baton was started", usage.startedAtSeconds),
    family("gauge", "process_open_fds", "Open descriptors of baton", usage.openDescriptors),
    family("gauge", "process_max_fds", "Descriptors that baton may open", usage.descriptorLimit),
    family("gauge", "process_threads", "Threads of baton", usage.threads),
  ];
}

function family(
  type: "counter" | "gauge",
  name: string,
  help: string,
  value: number | null,
): Family {
  return { type, name, help, points: value === null ? [] : [{ labels: {}, value }] };
}
