/** The metrics that every exporter has about its own process, by the names that Prometheus' libraries give them. Pure. */
import type { OwnUsage } from "../platform/own_usage.ts";
import { type Family, single } from "./family.ts";

// deno-fmt-ignore: one family per entry, so that it reads as a table
export function processFamilies(usage: OwnUsage): Family[] {
  return [
    single("counter", "process_cpu_seconds_total", "User and system CPU time of baton", usage.cpuSeconds),
    single("gauge", "process_resident_memory_bytes", "Resident memory of baton", usage.residentBytes),
    single("gauge", "process_virtual_memory_bytes", "Virtual memory of baton", usage.virtualBytes),
    single("gauge", "process_start_time_seconds", "When the process of baton was started", usage.startedAtSeconds),
    single("gauge", "process_open_fds", "Open descriptors of baton", usage.openDescriptors),
    single("gauge", "process_max_fds", "Descriptors that baton may open", usage.descriptorLimit),
    single("gauge", "process_threads", "Threads of baton", usage.threads),
  ];
}
