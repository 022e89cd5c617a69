/**
 * What is done with a UDP socket that a server binds to a port of its choice. Pure.
 *
 * Of the service are the sockets that were bound before the gate, and those at addresses that the service has, or at a
 * port where it listens with TCP. What is bound later, at another port, is a client's: resolvers send each question from a
 * random port that they bind explicitly, media servers open ports for one call. To share such a port would lose its
 * answers.
 */
interface DatagramBind {
  readonly udp: "leave" | "switch";
  readonly host: string;
  /** The generation has passed its gate. */
  readonly isLate: boolean;
  /** A member is at this very address. */
  readonly isServed: boolean;
  /** The service listens with TCP at the same port (DNS, syslog, SIP). */
  readonly isBesideTcp: boolean;
  /** The server has set SO_REUSEPORT itself, or SO_REUSEADDR, which lets a second UDP socket bind as well. */
  readonly sharesPort: boolean;
}

type DatagramRole =
  /** It becomes a member. */
  | "join"
  /** The kernel carries the bind out, as without baton. */
  | "alone"
  /** As "alone"; and the next generation can bind there, too. */
  | "beside"
  /** As "alone"; and the user learns that it will not be handed over. */
  | "left";

export function roleOfDatagrams(
  { udp, host, isLate, isServed, isBesideTcp, sharesPort }: DatagramBind,
): DatagramRole {
  // The kernel gives a copy to every socket there; nothing is to be switched.
  if (isForMany(host)) return "alone";
  const isClients = isLate && !isServed && !isBesideTcp;
  if (udp === "switch") return isClients ? "alone" : "join";
  if (isLate) return "alone";
  return sharesPort ? "beside" : "left";
}

/** Multicast, or the broadcast address. */
function isForMany(host: string): boolean {
  const [first = ""] = host.split(".");
  const isMulticast = host.includes(":")
    ? /^ff/i.test(host)
    : Number(first) >= 224 && Number(first) < 240;
  return isMulticast || host === "255.255.255.255";
}
