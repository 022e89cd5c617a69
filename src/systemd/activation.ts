/**
 * Socket activation: the listening sockets that the service manager has passed to baton, sd_listen_fds(3),
 * systemd.socket(5). Takes them only if LISTEN_PID is this very process. Refuses what baton cannot hand over (datagrams,
 * abstract names, Accept=yes), by name, because a socket that no process accepts from would leave its clients waiting.
 */
import { formatAddress, type InetAddress } from "../platform/network/address.ts";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { storedName } from "./fd_store.ts";

/** More sockets than any unit has; a larger count is an error. */
const MOST_DESCRIPTORS = 1024;
/** systemd's name for stored descriptors without one: not a socket unit's, so never refused. */
const UNNAMED = "stored";
const VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] as const;

/** A socket that was passed at the start. */
export type ActivatedSocket = NamedSocket & (ActivatedPort | { readonly path: string });

interface NamedSocket {
  readonly fd: Fd;
  /** What FileDescriptorName= says, by default the name of the socket unit; "" when there is none. */
  readonly name: string;
}

interface ActivatedPort {
  readonly address: InetAddress;
  readonly v6only: boolean;
}

/** A socket that baton cannot serve from. */
export class ActivationError extends Error {}

/**
 * @param env the environment that baton was started with; loses the variables
 * @returns listening sockets, and the descriptors that the previous instance stored, by name
 * @throws {ActivationError} that names the socket
 */
export function takeActivatedSockets(platform: Platform, env: Record<string, string>) {
  const { LISTEN_FDS: count = "0", LISTEN_PID: pid, LISTEN_FDNAMES: names = "" } = env;
  for (const name of VARIABLES) delete env[name];
  const sockets: ActivatedSocket[] = [];
  const stored = new Map<string, Fd>();
  if (Number(pid) !== platform.runtime.pid || !/^\d{1,4}$/.test(count)) return { sockets, stored };
  const name = names.split(":");
  for (let i = 0; i < Math.min(Number(count), MOST_DESCRIPTORS); i++) {
    const number = FIRST_PASSED_DESCRIPTOR + i;
    const fd = take(platform, number);
    const called = name[i] ?? "";
    const own = storedName(called);
    if (own !== null) stored.set(own, fd);
    else if (called !== UNNAMED) sockets.push(understand(platform, { fd, number, name: called }));
    else {
      const listener = storedListener(platform, called, fd);
      if (listener !== null) sockets.push(listener);
    }
  }
  return { sockets, stored };
}

/** Takes a descriptor: close-on-exec, and away from the numbers that a server's own descriptors have. */
function take({ libc, descriptors }: Platform, number: number): Fd {
  const original = new Fd(libc, number);
  try {
    return descriptors.duplicate(original);
  } finally {
    original.close();
  }
}

/** @returns a stored descriptor as a listener; null, and closes it, when it is not one */
export function storedListener(platform: Platform, name: string, fd: Fd): ActivatedSocket | null {
  try {
    return understand(platform, { fd, number: fd.number, name });
  } catch (error) {
    if (!(error instanceof ActivationError)) throw error;
    return null;
  }
}

function understand(
  { sockets }: Platform,
  { fd, number, name }: { fd: Fd; number: number; name: string },
): ActivatedSocket {
  const option = (level: number, option: number) => {
    try {
      return sockets.option(fd, level, option);
    } catch {
      return -1; // ENOTSOCK: a FIFO or a special file
    }
  };
  const refuse = (what: string): never => {
    fd.close();
    throw new ActivationError(
      `Cannot use descriptor ${number} ("${name}") of the service manager: ${what}`,
    );
  };
  const domain = option(C.SOL_SOCKET, C.SO_DOMAIN);
  const isKnown = [C.AF_INET, C.AF_INET6, C.AF_UNIX].some((each) => each === domain);
  const isStream = isKnown && option(C.SOL_SOCKET, C.SO_TYPE) === C.SOCK_STREAM;
  if (!isStream) refuse("it is neither a TCP socket nor a Unix stream socket");
  if (option(C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 1) refuse("it does not listen: use Accept=no");
  if (domain === C.AF_UNIX) {
    const path = sockets.unixPath(fd);
    if (path === null || !path.startsWith("/")) return refuse("a Unix socket needs a path");
    return { fd, name, path };
  }
  const address = sockets.localAddress(fd);
  if (address === null) return refuse("it has no address");
  if (address.scope !== 0) refuse(`${formatAddress(address)} has a scope`);
  const v6only = domain === C.AF_INET6 && option(C.IPPROTO_IPV6, C.IPV6_V6ONLY) === 1;
  return { fd, name, address, v6only };
}
