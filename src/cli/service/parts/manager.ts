/** The service manager that has started this instance, if it listens to notifications. */
import { longestStartMs, longestStopMs } from "../../../config/config.ts";
import { ServiceManager } from "../../../supervisor/service_manager.ts";
import { fdStoreSize } from "../../../systemd/fd_store.ts";
import { NotifyClient } from "../../../systemd/notify_client.ts";
import type { ServiceSetup } from "../service_setup.ts";

export function managerOf({ platform, env, liveConfig }: ServiceSetup) {
  const client = new NotifyClient(platform, env["NOTIFY_SOCKET"]);
  const manager = new ServiceManager({
    client,
    clock: platform.clock,
    get readyTimeoutMs() {
      return longestStartMs(liveConfig.current);
    },
    get stopTimeoutMs() {
      return longestStopMs(liveConfig.current);
    },
    watchdogUsec: env["WATCHDOG_USEC"],
  });
  return { client, manager, keepsStandbySockets: fdStoreSize(env) > 0 };
}
