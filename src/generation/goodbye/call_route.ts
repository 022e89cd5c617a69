/** How a call reaches one worker of one generation, and no other. */
import type { CallPlace } from "../../config/values/drain_call_spec.ts";
import { adminAddressAt, directRoute } from "../../envoy/admin_client.ts";
import type { CheckRoute } from "../../health/connection_check.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import { hasHost, routeTo } from "../checks/probe_route.ts";
import { isAtPath } from "../checks/unix_route.ts";

/**
 * What a call is routed by. A service that hands nothing over has no group, and its ports are what its processes listen
 * at.
 */
export type CallListeners = Pick<Listeners, "groups" | "isOfService" | "ports">;

/**
 * Why no call gets there: the worker does not listen, another baton steers there, or it cannot be known which
 * generation answers.
 */
interface NoRoute {
  readonly failure: string;
  readonly why: "not there" | "elsewhere" | "shared";
}

/** @param of `number` is that of the worker in its generation */
export function routeForCall(
  platform: Platform,
  listeners: CallListeners,
  { epoch, number: worker }: { readonly epoch: number; readonly number: number },
  place: CallPlace,
): CheckRoute | NoRoute {
  const groups = listeners.groups.filter((group) => isMeant(group, place));
  // Where baton hands nothing over, who listens is who is meant.
  if (listeners.groups.length === 0 || groups.length === 0 && !isAnywhere(place)) {
    const [port = null] = listeners.ports;
    const found = isAnywhere(place) ? { host: null, port } : place;
    if (!isAnywhere(found)) return directRoute(platform, adminAddressAt(found));
  }
  const target = "unix" in place ? { place: place.unix } : { place: place.port, host: place.host };
  const route = routeTo(platform, listeners, { epoch, worker, ...target });
  if (route === null) {
    const where = groups.map(({ text }) => text).join(", ");
    return { failure: `it does not listen${where && ` at ${where}`}`, why: "not there" };
  }
  if (route.isSteeredElsewhere) {
    return { failure: `another baton steers at ${route.text}`, why: "elsewhere" };
  }
  if (route.mustIdentify) {
    return {
      failure: `all generations share the socket at ${route.text}, and any of them would answer: ` +
        "give each a control address of its own ({epoch})",
      why: "shared",
    };
  }
  return route;
}

function isAnywhere(place: CallPlace): boolean {
  return "port" in place && place.port === null;
}

function isMeant(group: Group, place: CallPlace): boolean {
  if ("unix" in place) return isAtPath(group, place.unix);
  const { tcp } = group;
  if (tcp === null) return false;
  return place.port === null || tcp.port === place.port && hasHost(tcp, place.host);
}
