/**
 * Socket activation: the listening sockets that the service manager has passed to baton,
 * sd_listen_fds(3) and systemd.socket(5).
 *
 * Guarantees: takes them only if LISTEN_PID is this very process; after that the variables are gone
 * from the environment, and the descriptors are close-on-exec. Refuses what baton cannot hand over
 * (datagrams, Unix sockets, Accept=yes), by name, because a socket that nobody accepts from would
 * leave its clients waiting.
 */
import { formatAddress } from "../platform/address.ts";
import type { InetAddress } from "../platform/address.ts";
import { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";

/** SD_LISTEN_FDS_START */
const FIRST_DESCRIPTOR = 3;
/** More sockets than any unit has; a number beyond it is no number of sockets. */
const MOST_DESCRIPTORS = 1024;
const VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] as const;

/** One socket that came with the start. */
export interface ActivatedSocket {
  readonly fd: Fd;
  /** FileDescriptorName=, by default the name of the socket unit; "" when there is none. */
  readonly name: string;
  readonly address: InetAddress;
  readonly v6only: boolean;
}

/** A socket that baton cannot serve from. */
export class ActivationError extends Error {}

/**
 * @param env the environment that baton was started with; loses the variables
 * @throws {ActivationError} that names the socket
 */
export function takeActivatedSockets(
  platform: Platform,
  env: Record<string, string>,
): ActivatedSocket[] {
  const { LISTEN_FDS: count = "0", LISTEN_PID: pid, LISTEN_FDNAMES: names = "" } = env;
  for (const name of VARIABLES) delete env[name];
  if (Number(pid) !== platform.runtime.pid || !/^\d{1,4}$/.test(count)) return [];
  const name = names.split(":");
  return Array.from(
    { length: Math.min(Number(count), MOST_DESCRIPTORS) },
    (_, i) => takeSocket(platform, FIRST_DESCRIPTOR + i, name[i] ?? ""),
  );
}

function takeSocket(platform: Platform, number: number, name: string): ActivatedSocket {
  const { libc, descriptors, sockets } = platform;
  const original = new Fd(libc, number);
  const fd = descriptors.duplicate(original);
  original.close();
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
  if (domain === C.AF_UNIX) refuse("Unix sockets are not taken yet");
  if (domain !== C.AF_INET && domain !== C.AF_INET6) refuse("it is not a TCP socket");
  if (option(C.SOL_SOCKET, C.SO_TYPE) !== C.SOCK_STREAM) refuse("it is not a TCP socket");
  if (option(C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 1) refuse("it does not listen: use Accept=no");
  const address = sockets.localAddress(fd);
  if (address === null) return refuse("it has no address");
  if (address.scope !== 0) refuse(`${formatAddress(address)} has a scope`);
  const v6only = domain === C.AF_INET6 && option(C.IPPROTO_IPV6, C.IPV6_V6ONLY) === 1;
  return { fd, name, address, v6only };
}
