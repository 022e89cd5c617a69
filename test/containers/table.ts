/** What `make test-containers` runs: engines, how far a container is restricted, and servers. */
import { server, type ServerId } from "../support/servers.ts";
import { ENGINES } from "../support/containers/engines.ts";
import { type Situation } from "../support/containers/bundle.ts";
import { AS_OTHER_USER, type Place } from "../support/containers/runs.ts";

export interface NamedSituation {
  readonly name: string;
  readonly situation: Situation;
}

const RESTRICTED: Situation = { uid: 1000, noNewPrivileges: true, readOnlyRoot: true };

export const SITUATIONS: readonly NamedSituation[] = [
  { name: "root", situation: {} },
  { name: "user 1000, no_new_privs, read-only root", situation: RESTRICTED },
  { name: "the same, all capabilities dropped", situation: { ...RESTRICTED, dropsAll: true } },
  { name: "root, all capabilities dropped", situation: { dropsAll: true } },
  { name: "user 1000, hidepid=2", situation: { uid: 1000, hidesProcesses: true } },
  { name: "root of a user namespace", situation: { mapsUsersTo: 100_000 } },
];

export { ENGINES };

export interface NamedServer {
  readonly name: string;
  readonly id: ServerId;
  readonly front?: readonly string[];
  readonly onlyRoot?: boolean;
}

export const SERVERS: readonly NamedServer[] = [
  { name: "Node", id: "node" },
  { name: "Go, static", id: "go" },
  { name: "nginx, 2 workers", id: "nginx" },
  { name: "gunicorn, 2 workers", id: "gunicorn" },
  { name: "Python, threaded", id: "python" },
  { name: "Node by setpriv, as user 1000", id: "node", front: AS_OTHER_USER, onlyRoot: true },
];

export function missing({ id }: NamedServer): string | null {
  return server(id).needs();
}

/** Where releases take over from each other. */
export const RELEASE_PLACES: readonly (Place & { readonly name: string })[] = [
  { name: "Docker's profile, root, Node", engine: "docker" },
  {
    name: "Docker's profile, user 1000, no_new_privs, read-only root, Node",
    engine: "docker",
    situation: RESTRICTED,
  },
  { name: "containerd's profile, root, Node", engine: "containerd" },
  { name: "podman's profile, root, Node", engine: "podman" },
];
