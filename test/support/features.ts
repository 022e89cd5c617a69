/** What this machine lacks, as a reason to skip a test; false = it has it. */
import type { Platform } from "../../src/platform/platform.ts";
import { listenAt } from "./raw_client.ts";

/** IPv6 may be off in a container, as a whole or on the loopback interface. */
export function noIpv6(platform: Platform): string | false {
  try {
    listenAt(platform, "::1").listener.close();
    return false;
  } catch (error) {
    return `there is no IPv6 here: ${error instanceof Error ? error.message : error}`;
  }
}
