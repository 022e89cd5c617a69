/** Answers requests of the admin API. */
import type { AdminParts, ServiceParts } from "../../../admin/admin_parts.ts";
import type { FetchHandler } from "../../../admin/http_connections.ts";

type App = Awaited<typeof import("../../../admin/app.ts")>;

/** Loads what answers with the first request: a start does not wait for it. @returns a handler for a door */
export function answerer(
  service: () => ServiceParts,
  own: Omit<AdminParts, keyof ServiceParts>,
): (door: "control" | "admin") => FetchHandler {
  let app: Promise<ReturnType<App["adminApp"]>> | null = null;
  const load = async () =>
    (await import("../../../admin/app.ts")).adminApp({ ...service(), ...own });
  return (door) => async (request, client) => {
    app ??= load();
    return await (await app).fetch(request, { door, client });
  };
}
