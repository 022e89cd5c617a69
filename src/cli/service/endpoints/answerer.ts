/** Answers requests of the admin API. */
import type { AdminParts, ServiceParts } from "../../../admin/admin_parts.ts";
import type { FetchHandler } from "../../../admin/http_connection.ts";
import type { Config } from "../../../config/config.ts";
import type { Logger } from "../../../log/logger.ts";
import type { Platform } from "../../../platform/platform.ts";

type App = Awaited<typeof import("../../../admin/app.ts")>;

/** Loads what answers with the first request: a start does not wait for it. @returns a handler for a door */
export function answerer(
  service: () => ServiceParts,
  own: { readonly platform: Platform; readonly config: Config; readonly logger: Logger },
): (door: "control" | "admin") => FetchHandler {
  let app: Promise<ReturnType<App["adminApp"]>> | null = null;
  const load = async () => {
    const { platform, config, logger } = own;
    const { adminApp } = await import("../../../admin/app.ts");
    const { serviceFacts } = await import("./service_facts.ts");
    const facts = serviceFacts(config, platform.clock);
    return adminApp({ ...service(), access: accessOf(config), log: logger, facts });
  };
  return (door) => async (request, client) => {
    app ??= load();
    return await (await app).fetch(request, { door, client });
  };
}

/** What the guard of the API goes by. */
function accessOf({ admin, adminTokenFile, adminHost }: Config): AdminParts["access"] {
  if (admin === null) return null;
  return { hosts: adminHost, isLocal: admin.family === "unix", tokenFile: adminTokenFile };
}
