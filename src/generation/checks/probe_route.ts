/** How a check reaches one generation: at which listener, and from which source port, which is steered there. */
import {
  formatAddress,
  type InetAddress,
  isAnyHost,
  parseHost,
} from "../../platform/network/address.ts";
import { routeByPath } from "./unix_route.ts";
import type { CheckPlace } from "../../config/values/check_spec.ts";
import { SystemCallError } from "../../platform/error.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { mustIdentify, type ProbeRoute } from "./check_route.ts";
import { privateRoute } from "./private_route.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { GroupAddress } from "../../steering/member.ts";
import { concernsWorker } from "../../steering/worker_members.ts";

const LOOPBACK = { inet: "127.0.0.1", inet6: "::1" } as const;
const MAPPED = "::ffff:";

type ServiceListeners = Pick<Listeners, "groups" | "isOfService">;

interface ProbeTarget {
  readonly epoch: number;
  readonly worker: number;
  /** Where to ask; null: at the first listener of the service. */
  readonly place: CheckPlace;
  /** The IP address to ask at, where several listeners have that port; null: the first one. */
  readonly host?: string | null;
}

/** @returns null: it does not listen there yet */
export function routeTo(
  platform: Platform,
  listeners: ServiceListeners,
  { epoch, worker, place, host = null }: ProbeTarget,
): ProbeRoute | null {
  const isUnix = typeof place === "string" ||
    (place === null && listeners.groups.length > 0 &&
      listeners.groups.every(({ tcp }) => tcp === null));
  if (isUnix) return routeByPath(platform, listeners, { epoch, worker, path: place });
  return routeByPort(platform, listeners, { epoch, worker, port: place, at: host });
}

/**
 * The way to a TCP listener: the source port of the check is bound before it connects, and steered until it is
 * connected.
 */
function routeByPort(
  platform: Platform,
  listeners: ServiceListeners,
  { epoch, worker, port, at }: {
    epoch: number;
    worker: number;
    port: number | null;
    at: string | null;
  },
): ProbeRoute | null {
  const named = listeners.groups.filter(({ tcp }) =>
    tcp !== null && (port === null || tcp.port === port) && hasHost(tcp, at)
  );
  const isMeant = (group: Group) => listeners.isOfService(group) && concernsWorker(group, worker);
  const meant = named.find(isMeant) ??
    named.find((group) => group.membersOf(epoch, worker).length > 0);
  if (meant === undefined || meant.tcp === null) return null;
  const host = reachableHost(platform, meant, meant.tcp);
  if (meant.tcp.front === true) {
    return privateRoute(platform, meant, { epoch, worker, text: formatAddress(host) });
  }
  // A listener at exactly this address gets its connections before one at all addresses does.
  const group =
    listeners.groups.find(({ tcp }) =>
      tcp?.family === host.family && tcp.host === host.host && tcp.port === host.port
    ) ?? meant;
  if (group.usableMembers(epoch, worker).length === 0) return null;
  const address = parseHost(host.host);
  const steer = (from: number | null) => {
    if (group.isShared) return;
    if (from !== null) assertReachable(group, epoch, worker);
    const probe = from === null ? null : { epoch, worker, port: from, address };
    group.steerCandidates({ probe });
  };
  const { sockets } = platform;
  return {
    text: formatAddress(host),
    mustIdentify: mustIdentify(group, epoch),
    isSteeredElsewhere: group.hold === "order and program",
    stream: () => group.network?.stream(host.family) ?? sockets.stream(host.family),
    aim: (socket) => {
      sockets.bindInet(socket, { ...host, port: 0 });
      steer(sockets.localAddress(socket)?.port ?? null);
    },
    connect: (socket) => sockets.startConnecting(socket, host),
    release: () => steer(null),
    mutex: group.probes,
  };
}

/** Whether a listener at `host` is reached at `wanted`: one at all addresses is reached at each. */
export function hasHost({ host }: { readonly host: string }, wanted: string | null): boolean {
  return wanted === null || host === wanted || isAnyHost(host) || isAnyHost(wanted);
}

/** The check may have waited for its turn: without a member of the generation, another one would get it. */
function assertReachable(group: Group, epoch: number, worker: number): void {
  const { text } = group;
  if (group.hold === "order and program") {
    throw new Error(`another baton steers at ${text}`);
  }
  if (group.usableMembers(epoch, worker).length === 0) {
    throw new Error(`it does not listen at ${text} any more`);
  }
}

/** The address to connect to from this machine, which is also the source: a local address can reach itself. */
function reachableHost(platform: Platform, group: Group, address: GroupAddress): InetAddress {
  const { family, host, port, scope, v6only } = address;
  // A mapped address is IPv4 on the wire, and for the group's program.
  const isMapped = host.startsWith(MAPPED) && host.includes(".");
  if (family === "inet" || isMapped) {
    const four = isMapped ? host.slice(MAPPED.length) : host;
    return { family: "inet", host: four === "0.0.0.0" ? LOOPBACK.inet : four, port, scope: 0 };
  }
  if (host !== "::") return { family, host, port, scope };
  const six: InetAddress = { family, host: LOOPBACK.inet6, port, scope: 0 };
  if (v6only || group.network !== null || isLocal(platform, six)) return six;
  // A dual-stack listener where the loopback interface has no IPv6.
  return { family: "inet", host: LOOPBACK.inet, port, scope: 0 };
}

/** Whether an address is one of this machine. True in doubt: the check itself then reports the failure. */
function isLocal(platform: Platform, address: InetAddress): boolean {
  try {
    using socket = platform.sockets.stream(address.family);
    platform.sockets.bindInet(socket, { ...address, port: 0 });
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return error.errno !== C.EADDRNOTAVAIL;
  }
}
