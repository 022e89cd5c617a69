/**
 * Merges the listeners of socket activation (systemd) with those of --listen. Pure.
 *
 * A --listen for the same port or path keeps its name and position, and takes the socket's address: * and 0.0.0.0 match
 * systemd's `ListenStream=PORT`. Sockets without a --listen follow, under their own names: a socket that no server
 * accepts from would leave its clients waiting.
 */
import {
  checkListeners,
  type InetListenSpec,
  LISTENER_NAME,
  type ListenSpec,
} from "./values/listen_spec.ts";
import { type UnixListenSpec, unixText } from "./values/unix_listen_spec.ts";

/** An activated socket. Its name is FileDescriptorName=; "" for none. */
export type ActivatedListener =
  | Omit<InetListenSpec, "text">
  | Pick<UnixListenSpec, "name" | "family" | "path">;

const ANY_HOSTS: readonly string[] = ["0.0.0.0", "::"];

/** @throws {UserError} when two listeners have the same name or address */
export function withActivated(
  specs: readonly ListenSpec[],
  activated: readonly ActivatedListener[],
): ListenSpec[] {
  const left = [...activated];
  const merged: ListenSpec[] = specs.map((spec) => {
    const at = left.findIndex((socket) => matches(spec, socket));
    const [socket] = at < 0 ? [] : left.splice(at, 1);
    return socket === undefined ? spec : asSpec(socket, spec.name);
  });
  for (const socket of left) {
    const names = merged.map(({ name }) => name);
    const wanted = LISTENER_NAME.test(socket.name) ? socket.name : `listen${merged.length}`;
    merged.push(asSpec(socket, freeName(wanted, names)));
  }
  checkListeners(merged);
  return merged;
}

function matches(spec: ListenSpec, socket: ActivatedListener): boolean {
  if (spec.family === "unix" || socket.family === "unix") {
    return spec.family === "unix" && socket.family === "unix" && spec.path === socket.path;
  }
  if (spec.port !== socket.port) return false;
  if (spec.host === socket.host) return true;
  return ANY_HOSTS.includes(spec.host) && ANY_HOSTS.includes(socket.host);
}

/** Sockets of one unit can share a name: the second becomes `web-2`. */
function freeName(wanted: string, taken: readonly string[]): string {
  let name = wanted;
  for (let i = 2; taken.includes(name); i++) name = `${wanted}-${i}`;
  return name;
}

function asSpec(socket: ActivatedListener, name: string): ListenSpec {
  if (socket.family === "unix") {
    const { path } = socket;
    // The node is the manager's: SocketMode=, SocketUser=, SocketGroup=.
    return {
      name,
      family: "unix",
      path,
      mode: null,
      user: null,
      group: null,
      text: unixText(path),
    };
  }
  const { host, port, family, v6only } = socket;
  const text = `${family === "inet6" ? `[${host}]` : host}:${port}`;
  return { name, host, port, family, v6only, text };
}
