/** Whether an Envoy does what the endpoint file says: judged by what its admin API shows of the hosts. Pure. */
import * as v from "valibot";
import { readJson } from "../envoy/json_body.ts";
import type { PrivateAddress } from "../steering/front/private_address.ts";
import { addressKey, type AssignedEndpoint } from "./assignment.ts";

const Host = v.object({
  address: v.optional(v.object({
    socket_address: v.optional(v.object({ address: v.string(), port_value: v.number() })),
    pipe: v.optional(v.object({ path: v.string() })),
  })),
  // Envoy writes numbers as text, and leaves out 0.
  stats: v.optional(v.array(v.object({ name: v.string(), value: v.optional(v.string()) })), []),
  health_status: v.optional(
    v.object({
      eds_health_status: v.optional(v.string()),
      failed_active_health_check: v.optional(v.boolean()),
    }),
    {},
  ),
  weight: v.optional(v.number(), 1),
});
/** What baton reads of `GET /clusters?format=json`. */
const Clusters = v.object({
  cluster_statuses: v.optional(
    v.array(v.object({
      name: v.string(),
      observability_name: v.optional(v.string()),
      host_statuses: v.optional(v.array(Host), []),
    })),
    [],
  ),
});

export type EnvoyClusters = v.InferOutput<typeof Clusters>["cluster_statuses"];
type EnvoyHost = v.InferOutput<typeof Host>;

/** @returns null: it is no such answer */
export function readClusters(body: string): EnvoyClusters | null {
  const result = v.safeParse(Clusters, readJson(body));
  return result.success ? result.output.cluster_statuses : null;
}

/**
 * @returns the clusters that read the file: by what they have found in it, because a cluster may have another name
 * there (service_name), and several may read one file; while none has found anything, by its name
 */
export function readersOf(
  clusters: EnvoyClusters,
  name: string,
  addresses: readonly PrivateAddress[],
): EnvoyClusters {
  const keys = new Set(addresses.map(addressKey));
  const found = clusters.filter(({ host_statuses: hosts }) =>
    hosts.some((host) => keys.has(hostKey(host) ?? ""))
  );
  return found.length > 0 ? found : clusters.filter((cluster) => cluster.name === name);
}

/**
 * @param readers of `readersOf`
 * @param checked a generation whose endpoints must pass Envoy's own active health checks, too
 * @returns what is missing, in words; null: it does what the file says
 */
export function missing(
  readers: EnvoyClusters,
  name: string,
  endpoints: readonly AssignedEndpoint[],
  checked: number | null,
): string | null {
  if (readers.length === 0) {
    return `it has no cluster ${name}, and none with these endpoints: cluster=NAME names the one that reads the file`;
  }
  for (const { name: cluster, host_statuses: hosts } of readers) {
    for (const endpoint of endpoints) {
      const key = addressKey(endpoint.address);
      const host = hosts.find((each) => hostKey(each) === key);
      if (host === undefined) {
        return `its cluster ${cluster} does not have ${key}: does it read the file, with watched_directory?`;
      }
      const { eds_health_status: status, failed_active_health_check: fails } = host.health_status;
      const wanted = endpoint.isHealthy ? "HEALTHY" : "DRAINING";
      if (status !== wanted) {
        return `its cluster ${cluster} has ${key} as ${status ?? "UNKNOWN"}, not ${wanted}`;
      }
      if (endpoint.isHealthy && host.weight !== endpoint.weight) {
        return `its cluster ${cluster} has ${key} with weight ${host.weight}, not ${endpoint.weight}`;
      }
      if (endpoint.epoch === checked && fails === true) {
        return `its own health check of ${key} fails`;
      }
    }
  }
  return null;
}

function hostKey({ address }: EnvoyHost): string | null {
  const { socket_address: socket, pipe } = address ?? {};
  if (pipe !== undefined) return pipe.path;
  return socket === undefined
    ? null
    : addressKey({ host: socket.address, port: socket.port_value });
}

/**
 * @returns how many requests are not over, a WebSocket or a stream each one of them: where nothing is said for a while
 * no byte shows them
 * @param keys of endpoints (`addressKey`)
 */
export function activeRequests(readers: EnvoyClusters, keys: ReadonlySet<string>): number {
  return readers.flatMap(({ host_statuses: hosts }) => hosts)
    .filter((host) => keys.has(hostKey(host) ?? ""))
    .reduce((sum, host) => sum + statOf(host, "rq_active"), 0);
}

function statOf({ stats }: EnvoyHost, name: string): number {
  return Number(stats.find((each) => each.name === name)?.value ?? 0);
}

/** Counts of the requests that went to one endpoint. */
export interface AnswerCounts {
  readonly requests: number;
  /** Requests that were answered with 5xx, or not at all. */
  readonly errors: number;
}

/** @returns by address (`addressKey`), of all clusters that have it */
export function answersOf(readers: EnvoyClusters): Map<string, AnswerCounts> {
  const counts = new Map<string, AnswerCounts>();
  for (const host of readers.flatMap(({ host_statuses: hosts }) => hosts)) {
    const key = hostKey(host) ?? "";
    const { requests, errors } = counts.get(key) ?? { requests: 0, errors: 0 };
    counts.set(key, {
      requests: requests + statOf(host, "rq_success") + statOf(host, "rq_error"),
      errors: errors + statOf(host, "rq_error"),
    });
  }
  return counts;
}

/**
 * @param body of `GET /stats`
 * @param names of clusters, as statistics have them
 * @returns how often Envoy has refused a file of theirs
 */
export function rejectionsIn(body: string, names: readonly string[]): number {
  const found = [...body.matchAll(/^cluster\.(.+)\.update_rejected: (\d+)$/gm)];
  return found.filter(([, cluster = ""]) => names.includes(cluster))
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

/** Whether Envoy checks one of these clusters: it makes a counter for that only then. */
export function hasChecks(body: string, names: readonly string[]): boolean {
  return [...body.matchAll(/^cluster\.(.+)\.health_check\.attempt: /gm)]
    .some(([, cluster = ""]) => names.includes(cluster));
}

/** @returns the names of these clusters, and of the one that is meant, as statistics have them */
export function statNames(name: string, readers: EnvoyClusters): string[] {
  const found = readers.map((each) => each.observability_name ?? each.name);
  return [name, ...found].map((each) => each.replaceAll(":", "_"));
}
