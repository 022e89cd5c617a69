/** What is answered at --probe-listen: the probes of a kubelet, and the health check of Envoy's kind (--probe-health). */
import type { ServiceParts } from "../../../admin/admin_parts.ts";
import { healthHandler } from "../../../admin/health_endpoint.ts";
import type { FetchHandler } from "../../../admin/http_connection.ts";
import { probeHandler } from "../../../admin/probe_server.ts";
import type { Config } from "../../../config/config.ts";
import { type InetAddress, reachable } from "../../../platform/network/address.ts";
import type { Platform } from "../../../platform/platform.ts";

interface ProbePortParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly service: () => ServiceParts;
}

export function probePortHandler({ platform, config, service }: ProbePortParts): FetchHandler {
  const probes = probeHandler(() => service().pod.probes());
  const { probeHealth: spec, name, checkTimeoutMs: timeoutMs } = config;
  if (spec === null) return probes;
  /** The server's address, looked for again when nothing answers there. */
  let address: InetAddress | null = null;
  const ask = async (target: string, headers: Headers) => {
    address ??= serverAddress(service().supervisor, spec.passThrough?.port ?? null);
    if (address === null) return null;
    const { passRequest } = await import("../../../health/passed_request.ts");
    const answer = await passRequest(platform, { address, target, headers, timeoutMs });
    if (answer === null) address = null;
    return answer;
  };
  return healthHandler({
    path: spec.path,
    name,
    passThrough: spec.passThrough && { cacheMs: spec.passThrough.cacheMs, ask },
    minHealthyPercent: spec.minHealthyPercent,
    nowMs: () => platform.clock.now(),
    service: () => healthOf(service()),
  }, probes);
}

function healthOf({ supervisor, pod }: ServiceParts) {
  const { epoch, generations } = supervisor.summary();
  const serving = generations.find((each) => each.epoch === epoch);
  return {
    isDraining: pod.isDraining,
    isReady: pod.probes().ready,
    workers: serving?.workers ?? { serving: 0, total: 0 },
  };
}

/** @returns null: the server does not listen yet */
function serverAddress(
  supervisor: Pick<ServiceParts["supervisor"], "snapshot">,
  port: number | null,
): InetAddress | null {
  const known = supervisor.snapshot().listeners.flatMap(({ address }) => tcpAddress(address));
  const found = known.find((each) => port === null || each.port === port) ?? null;
  if (found !== null || port === null) return found && reachable(found);
  return { family: "inet", host: "127.0.0.1", port, scope: 0 };
}

/**
 * @param text of a listener: "127.0.0.1:80", "[::1]:80"
 * @returns an empty list for a listener that is not one of TCP
 */
function tcpAddress(text: string): InetAddress[] {
  const [, v6, v4, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d+)$/.exec(text) ?? [];
  const host = v6 ?? v4;
  if (host === undefined) return [];
  return [{ family: v6 === undefined ? "inet" : "inet6", host, port: Number(port), scope: 0 }];
}
