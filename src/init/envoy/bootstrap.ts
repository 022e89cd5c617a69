/** bootstrap.yaml: what counts from a start of Envoy on. */
import type { FrontSettings } from "../../config/front/settings.ts";
import { clusterOf } from "./cluster.ts";
import { type Front, frontFiles, frontName, watchedFile } from "./front.ts";
import { listenersOf } from "./listener.ts";
import { note, typed, type YamlMap } from "./yaml_tree.ts";

const MONITORS = "envoy.extensions.resource_monitors";
/** Mode of the socket: read and written by the owner of Envoy alone. */
const ADMIN_MODE = 0o600;

export function bootstrapFile(front: Front): YamlMap {
  const { settings } = front;
  const files = frontFiles(front);
  const name = frontName(front);
  return {
    node: { id: name, cluster: name },
    admin: note(
      "baton asks here whether Envoy is ready, has read the endpoints, and lets it say goodbye.",
      {
        address: { pipe: { path: files.admin, mode: ADMIN_MODE } },
      },
    ),
    dynamic_resources: { cds_config: watchedFile(files.clusters) },
    overload_manager: overloadManager(settings),
    static_resources: { listeners: listenersOf(front) },
  };
}

/** The bootstrap with the clusters in it: 'envoy --mode validate' does not read the files of CDS. */
export function validatedFile(front: Front): YamlMap {
  const { dynamic_resources: _, ...rest } = bootstrapFile(front);
  const clusters = front.clusters.map((cluster) => {
    const { "@type": _, ...fields } = clusterOf(front.settings, cluster);
    return fields;
  });
  return { ...rest, static_resources: { listeners: listenersOf(front), clusters } };
}

function overloadManager({ maxConnections, maxHeap }: FrontSettings): YamlMap {
  const connections: YamlMap = {
    name: "envoy.resource_monitors.global_downstream_max_connections",
    typed_config: typed(`${MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig`, {
      max_active_downstream_connections: maxConnections,
    }),
  };
  if (maxHeap === null) return { resource_monitors: [connections] };
  return {
    refresh_interval: "0.25s",
    resource_monitors: [connections, {
      name: "envoy.resource_monitors.fixed_heap",
      typed_config: typed(`${MONITORS}.fixed_heap.v3.FixedHeapConfig`, {
        max_heap_size_bytes: maxHeap,
      }),
    }],
    actions: [
      action("shrink_heap", 0.95),
      action("stop_accepting_requests", 0.98),
    ],
  };
}

function action(name: string, value: number): YamlMap {
  return {
    name: `envoy.overload_actions.${name}`,
    triggers: [{ name: "envoy.resource_monitors.fixed_heap", threshold: { value } }],
  };
}
