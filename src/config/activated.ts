/**
 * Listeners whose sockets came with baton's start (systemd), and those of --listen: one list. Pure.
 *
 * A --listen that means the same port keeps its name and its place, and gets the socket's address: *
 * and 0.0.0.0 mean what systemd's `ListenStream=PORT` means. Sockets that no --listen asks for follow,
 * by their own names: one that nobody accepts from would leave its clients waiting.
 */
import { checkListeners, type ListenFamily, type ListenSpec } from "./values/listen_spec.ts";

/** Where a socket that came with the start listens. */
export interface ActivatedListener {
  /** FileDescriptorName=; "" when there is none. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly family: ListenFamily;
  readonly v6only: boolean;
}

const NAME = /^[A-Za-z0-9_.-]{1,63}$/;
const ANY_HOSTS: readonly string[] = ["0.0.0.0", "::"];

/** @throws {UserError} when a name or an address is there twice */
export function withActivated(
  specs: readonly ListenSpec[],
  activated: readonly ActivatedListener[],
): ListenSpec[] {
  const left = [...activated];
  const merged: ListenSpec[] = specs.map((spec) => {
    const at = left.findIndex((socket) => means(spec, socket));
    const [socket] = at < 0 ? [] : left.splice(at, 1);
    return socket === undefined ? spec : asSpec(socket, spec.name);
  });
  for (const socket of left) {
    const names = merged.map(({ name }) => name);
    const wanted = NAME.test(socket.name) ? socket.name : `listen${merged.length}`;
    merged.push(asSpec(socket, freeName(wanted, names)));
  }
  checkListeners(merged);
  return merged;
}

function means(spec: ListenSpec, socket: ActivatedListener): boolean {
  if (spec.port !== socket.port) return false;
  if (spec.host === socket.host) return true;
  return ANY_HOSTS.includes(spec.host) && ANY_HOSTS.includes(socket.host);
}

/** Several sockets of one unit have the same name: the second one is `web-2`. */
function freeName(wanted: string, taken: readonly string[]): string {
  let name = wanted;
  for (let i = 2; taken.includes(name); i++) name = `${wanted}-${i}`;
  return name;
}

function asSpec({ host, port, family, v6only }: ActivatedListener, name: string): ListenSpec {
  const text = `${family === "inet6" ? `[${host}]` : host}:${port}`;
  return { name, host, port, family, v6only, text };
}
