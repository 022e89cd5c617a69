/** What this instance sends about its service (--otlp). Imported when that is given. */
import { createHash } from "node:crypto";
import type { Config } from "../../../config/config.ts";
import { familiesOf } from "../../../metrics/families.ts";
import type { Logger } from "../../../log/logger.ts";
import { OtlpPush } from "../../../metrics/otlp/push.ts";
import { trustedCertificates } from "../../../platform/network/certificates.ts";
import { ownUsage } from "../../../platform/own_usage.ts";
import type { Platform } from "../../../platform/platform.ts";
import { sysctl } from "../../../platform/process/proc.ts";
import type { Summary } from "../../../report/summary.ts";
import type { Registry } from "../../../stats/registry.ts";
import { VERSION } from "../../console/version.ts";
import { tolerate } from "../process_setup.ts";
import { readHeaders } from "./otlp_headers.ts";

/** Permissions that a file with secrets must not give: any to others, and writing to its group. */

const MS_PER_S = 1000;

interface Parts {
  readonly platform: Platform;
  readonly config: Config;
  /** The server's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

interface Reported {
  summary(): Summary;
}

/** @returns null without --otlp. @throws {UserError} when its headers cannot be used, unless the service runs already */
export function otlpPush(
  { platform, config, env, logger }: Parts,
  registry: Pick<Registry, "read">,
  supervisor: () => Reported,
  isRunning: boolean,
): OtlpPush | null {
  const { otlp: url, otlpIntervalMs: intervalMs, otlpHeadersFile: file, name } = config;
  if (url === null) return null;
  const { clock, runtime: { pid } } = platform;
  const headers = () => file === null ? {} : readHeaders(file);
  // Each sending reads them again: a service that runs is not ended for them.
  tolerate(isRunning, logger, headers);
  // Counters of this baton continue those of the batons before it.
  const countedSince = () =>
    registry.read().find(({ name }) => name === "baton_start_time_seconds")?.value ??
      Date.parse(supervisor().summary().startedAt) / MS_PER_S;
  return new OtlpPush({
    clock,
    url,
    intervalMs,
    log: logger,
    load: async () => {
      const { Sender } = await import("../../../metrics/otlp/sender.ts");
      return new Sender({ url, headers, authorities: trustedCertificates(env) }, {
        "service.name": name,
        "service.instance.id": instanceId(`${hostName()} ${name} ${countedSince()}`),
        "host.name": hostName(),
        "process.pid": pid,
        "process.executable.name": "baton",
        "telemetry.distro.name": "baton",
        "telemetry.distro.version": VERSION,
      }, VERSION);
    },
    collect: () => {
      const summary = supervisor().summary();
      const usage = ownUsage(pid);
      const countedSinceMs = countedSince() * MS_PER_S;
      const processStartedAtMs = (usage.startedAtSeconds ?? countedSince()) * MS_PER_S;
      return {
        families: familiesOf({ samples: registry.read(), summary, usage }),
        times: { nowMs: clock.wallMs(), countedSinceMs, processStartedAtMs },
      };
    },
  });
}

function hostName(): string {
  return sysctl("kernel/hostname") ?? "unknown";
}

/** A UUID as the semantic conventions want it, which stays when baton is replaced: its counters do, too. RFC 9562, 5.8 */
function instanceId(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = (parseInt(hex.slice(16, 17), 16) & 3 | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}
