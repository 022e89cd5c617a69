/**
 * The endpoint file: one ClusterLoadAssignment (Envoy refuses two: "Unexpected EDS resource length"), as JSON, which is YAML
 * as well. Pure.
 *
 * Several batons may have their endpoints in one file, and people may add some by hand. Each endpoint says in its metadata
 * whose it is, and each baton replaces its own alone. Envoy shows the metadata to access logs:
 * `%UPSTREAM_METADATA(["baton","generation"])%`.
 */
import * as v from "valibot";
import { addressKey, type AssignedEndpoint } from "./assignment.ts";

/** Whose an endpoint is. */
export interface Owner {
  /** The name of the service. */
  readonly service: string;
  readonly host: string;
}

const TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const NAMESPACE = "baton";

const LbEndpoint = v.looseObject({
  endpoint: v.optional(v.looseObject({
    address: v.optional(v.looseObject({
      socket_address: v.optional(v.looseObject({
        address: v.string(),
        port_value: v.optional(v.number()),
      })),
      pipe: v.optional(v.looseObject({ path: v.string() })),
    })),
  })),
  metadata: v.optional(v.looseObject({
    filter_metadata: v.optional(v.looseObject({
      [NAMESPACE]: v.optional(v.looseObject({
        service: v.optional(v.string()),
        host: v.optional(v.string()),
      })),
    })),
  })),
});
const Locality = v.looseObject({ lb_endpoints: v.optional(v.array(LbEndpoint)) });
const Assignment = v.looseObject({
  cluster_name: v.string(),
  endpoints: v.optional(v.array(Locality)),
});
const Document = v.looseObject({ resources: v.pipe(v.array(Assignment), v.maxLength(1)) });

export type Document = v.InferOutput<typeof Document>;
type LbEndpoint = v.InferOutput<typeof LbEndpoint>;

const EMPTY: Document = { resources: [] };

/** @throws {Error} when it is not a file of endpoints */
export function readDocument(text: string): Document {
  if (text.trim() === "") return EMPTY;
  const result = v.safeParse(Document, JSON.parse(text));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new Error(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
}

/** @returns `document` with these endpoints of `owner` in place of those that it has there; all others stay as they are */
export function withEndpoints(
  { resources: [present], ...rest }: Document,
  { cluster, owner, endpoints }: {
    readonly cluster: string;
    readonly owner: Owner;
    readonly endpoints: readonly AssignedEndpoint[];
  },
): Document {
  const addresses = new Set(endpoints.map(({ address }) => addressKey(address)));
  const isReplaced = (entry: LbEndpoint) =>
    isOwn(entry, owner) || addresses.has(entryAddress(entry) ?? "");
  // A locality whose only endpoints were ours holds no setting of others.
  const others = (present?.endpoints ?? []).flatMap((locality) => {
    const { lb_endpoints: all = [], ...settings } = locality;
    const left = all.filter((entry) => !isReplaced(entry));
    const isEmpty = left.length === 0 && Object.keys(settings).length === 0;
    return isEmpty ? [] : [{ ...locality, lb_endpoints: left }];
  });
  const plain = others.findIndex((locality) => Object.keys(locality).length === 1);
  const own = endpoints.map((endpoint) => entryOf(endpoint, owner));
  const localities = plain >= 0
    ? others.map((each, index) =>
      index === plain ? { ...each, lb_endpoints: [...each.lb_endpoints, ...own] } : each
    )
    : own.length > 0
    ? [...others, { lb_endpoints: own }]
    : others;
  const assignment = { "@type": TYPE, ...present, cluster_name: cluster, endpoints: localities };
  return { ...rest, resources: [assignment] };
}

/** Addresses of endpoints that get something, those of others too. */
export function ledAddresses({ resources }: Document): Set<string> {
  const entries = resources.flatMap(({ endpoints = [] }) => endpoints)
    .flatMap(({ lb_endpoints = [] }) => lb_endpoints);
  const led = entries.filter((entry) => entry["health_status"] !== "DRAINING");
  return new Set(led.flatMap((entry) => entryAddress(entry) ?? []));
}

function isOwn({ metadata }: LbEndpoint, { service, host }: Owner): boolean {
  const found = metadata?.filter_metadata?.[NAMESPACE];
  return found?.service === service && found.host === host;
}

function entryAddress({ endpoint }: LbEndpoint): string | null {
  const { socket_address: socket, pipe } = endpoint?.address ?? {};
  if (pipe !== undefined) return pipe.path;
  if (socket === undefined) return null;
  return addressKey({ host: socket.address, port: socket.port_value ?? 0 });
}

function entryOf(
  { address, isHealthy, weight, epoch, worker }: AssignedEndpoint,
  { service, host }: Owner,
): LbEndpoint {
  const place = "path" in address
    ? { pipe: address }
    : { socket_address: { address: address.host, port_value: address.port } };
  // Numbers are written as text: access logs would show them as 7.000000.
  const about = { service, host, generation: `${epoch}`, worker: `${worker}` };
  return {
    health_status: isHealthy ? "HEALTHY" : "DRAINING",
    load_balancing_weight: weight,
    endpoint: { address: place },
    metadata: { filter_metadata: { [NAMESPACE]: about } },
  };
}

/** The file as text, an endpoint a line, for people. */
export function documentText({ resources, ...rest }: Document): string {
  const lines = resources.map(({ endpoints = [], ...head }) => {
    const localities = endpoints.map(({ lb_endpoints: entries = [], ...settings }) => {
      const each = entries.map((entry) => `\n      ${JSON.stringify(entry)}`).join(",");
      const own = JSON.stringify(settings).slice(1, -1);
      return `\n    {${own}${own === "" ? "" : ", "}"lb_endpoints": [${each}]}`;
    });
    return `{\n  ${JSON.stringify(head).slice(1, -1)},\n  "endpoints": [${
      localities.join(",")
    }]\n}`;
  });
  const others = JSON.stringify(rest).slice(1, -1);
  return `{${others}${others === "" ? "" : ", "}"resources": [${lines.join(",")}]}\n`;
}
