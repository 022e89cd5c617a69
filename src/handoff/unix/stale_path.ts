/** What is at a path that the first generation is about to bind. */
import { SystemCallError } from "../../platform/error.ts";
import type { Directory } from "../../platform/files/directory.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import { processName } from "../../platform/process/proc.ts";
import type { UnixAddress } from "../../steering/member.ts";

type Occupant =
  | { readonly kind: "nothing" }
  /** Left by a server that did not remove it: bind(2) would fail, and no process listens there. */
  | { readonly kind: "stale" }
  /** Another file, or we cannot tell: bind(2) says what follows. */
  | { readonly kind: "unknown" }
  | { readonly kind: "alive"; readonly holder: string };

/** Connects, and hangs up at once. */
export function occupantOf(
  sockets: Sockets,
  directory: Directory,
  { name, type }: Pick<UnixAddress, "name" | "type">,
): Occupant {
  const node = directory.stat(name);
  if (node === null) return { kind: "nothing" };
  if (!node.isSocket) return { kind: "unknown" };
  using socket = type === "packets"
    ? sockets.packets({ nonblocking: true })
    : sockets.stream("unix", { nonblocking: true });
  try {
    sockets.connectUnix(socket, directory.pathTo(name));
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ECONNREFUSED) return { kind: "stale" };
    // Its queue is full.
    return error.errno === C.EAGAIN
      ? { kind: "alive", holder: "a process that does not accept" }
      : { kind: "unknown" };
  }
  const { pid, uid } = sockets.peerCredentials(socket);
  const command = processName(pid);
  const holder = command === null ? `a process of user ${uid}` : `${command} (pid ${pid})`;
  return { kind: "alive", holder };
}
