/**
 * The environment variables that name the listeners among a server's descriptors: all protocols at once. Pure.
 *
 * - systemd: sd_listen_fds(3). LISTEN_PID is the server's own pid, so the launcher sets it.
 * - Server::Starter: SERVER_STARTER_PORT="127.0.0.1:80=3;8080=4", SERVER_STARTER_GENERATION.
 * - einhorn: EINHORN_FD_COUNT, EINHORN_FD_n, EINHORN_FDS (deprecated, "3 4").
 * - baton: BATON_FDS="name=fd;..." and BATON_EPOCH, BATON_WORKER, RESTART_EPOCH (hot-restarter.py), which are always set.
 * - in the command line: config/values/placeholders.ts.
 */
import type { ListenSpec } from "../config/values/listen_spec.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";

/** Variables that are meant for baton: they name descriptors that do not reach the server. */
const NOT_FOR_THE_SERVER = [
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "LISTEN_PIDFDID",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "FDSTORE",
  "MAINPID",
  "SERVER_STARTER_PORT",
  "SERVER_STARTER_GENERATION",
  "EINHORN_FD_COUNT",
  "EINHORN_FDS",
  "BATON_FDS",
  "BATON_ACTIVATED",
];
const NUMBERED = /^EINHORN_FD_\d+$/;

/** @returns `base` without the variables meant for baton, with the epoch and all protocols for `specs` */
export function serverEnvironment(
  base: Readonly<Record<string, string>>,
  specs: readonly ListenSpec[],
  epoch: number,
  worker = 0,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  for (const name of [...NOT_FOR_THE_SERVER, ...Object.keys(env).filter((n) => NUMBERED.test(n))]) {
    delete env[name];
  }
  env["BATON_EPOCH"] = String(epoch);
  env["BATON_WORKER"] = String(worker);
  env["RESTART_EPOCH"] = String(epoch);
  if (specs.length === 0) return env;
  const numbered = specs.map((spec, i) => ({ spec, fd: FIRST_PASSED_DESCRIPTOR + i }));
  env["LISTEN_FDS"] = String(specs.length);
  env["LISTEN_FDNAMES"] = specs.map((spec) => spec.name).join(":");
  env["SERVER_STARTER_PORT"] = numbered.map(({ spec, fd }) => `${starterAddress(spec)}=${fd}`)
    .join(";");
  env["SERVER_STARTER_GENERATION"] = String(epoch + 1);
  env["EINHORN_FD_COUNT"] = String(specs.length);
  env["EINHORN_FDS"] = numbered.map(({ fd }) => fd).join(" ");
  numbered.forEach(({ fd }, i) => env[`EINHORN_FD_${i}`] = String(fd));
  env["BATON_FDS"] = numbered.map(({ spec, fd }) => `${spec.name}=${fd}`).join(";");
  return env;
}

/**
 * An address as start_server --port and --path write it: a bare port for 0.0.0.0, brackets around IPv6, a bare path.
 */
function starterAddress(spec: ListenSpec): string {
  if (spec.family === "unix") return spec.path;
  if (spec.family === "inet6") return `[${spec.host}]:${spec.port}`;
  return spec.host === "0.0.0.0" ? String(spec.port) : `${spec.host}:${spec.port}`;
}
