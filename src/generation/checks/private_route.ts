/** The way of a check to a listener with a private address (--front): it dials that, and needs no steering. */
import type { Platform } from "../../platform/platform.ts";
import { asDialed } from "../../steering/front/private_address.ts";
import type { Group } from "../../steering/group.ts";
import type { ProbeRoute } from "./check_route.ts";

/** Checks need not take turns: nothing is steered for them. */
const NO_TURNS: ProbeRoute["mutex"] = { enter: (turn) => turn(), leave: () => {} };

/** @param text the public address, which the server knows as its own */
export function privateRoute(
  { sockets }: Platform,
  group: Group,
  { epoch, worker, text }: {
    readonly epoch: number;
    readonly worker: number;
    readonly text: string;
  },
): ProbeRoute | null {
  const dialed = () => {
    const [place] = group.usableMembers(epoch, worker).flatMap(({ place }) => place ?? []);
    return place === undefined ? null : asDialed(place);
  };
  if (dialed() === null) return null;
  return {
    text,
    mustIdentify: false,
    isSteeredElsewhere: false,
    stream: () => sockets.stream(dialed()?.family ?? "inet"),
    aim: () => {},
    connect: (socket) => {
      const address = dialed();
      if (address === null) throw new Error(`it does not listen at ${text} any more`);
      sockets.startConnecting(socket, address);
    },
    release: () => {},
    mutex: NO_TURNS,
  };
}
