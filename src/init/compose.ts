/**
 * `baton init compose`: releases of one server that take over from each other, for Docker Compose and podman-compose,
 * without a proxy. Pure.
 *
 * One small container owns the network namespace and the published ports, and is never replaced. Each release joins that
 * network, and takes over through a socket in a volume, all that two releases share. What compose itself would do with a
 * new image, to stop the old container first, never happens: the second release is a second container of the service.
 */
import { type Config, longestStopMs } from "../config/config.ts";
import { UserError } from "../config/values/errors.ts";
import { type InitRequest, plainName, wordList } from "./template.ts";

const DEFAULT_PORT = 8080;
const PROGRAM = "/usr/local/bin/baton";
const FOLDER = "/run/handoff";
const MS_PER_S = 1000;
/** Time for the end of baton and of its hooks, on top of its own limits. */
const RESERVE_S = 10;
const FALLBACK_NAME = "web";

/** @throws {UserError} where two releases cannot run at once */
export function composeFile({ config, options }: InitRequest): string {
  checkTwoReleases(config);
  const name = plainName(config.name) || FALLBACK_NAME;
  const socket = config.takeover ?? config.handoffSocket ?? `${FOLDER}/${name}`;
  const own = [
    ...(config.takeover === null ? [`--takeover=${socket}`] : []),
    ...(config.handoffSocket === null ? [`--handoff-socket=${socket}`] : []),
  ];
  const folder = socket.slice(0, socket.lastIndexOf("/")) || FOLDER;
  const port = config.listen.find((spec) => spec.family !== "unix")?.port ?? DEFAULT_PORT;
  const remove = `docker compose rm -f ${name}`;
  return [
    "# compose.yaml: each release takes over from the one before it; the port is open all the time.",
    "#   first:  echo TAG=1 >.env; docker compose up -d",
    `#   next:   ${remove}    # what has ended: compose would start it again, and not the new release`,
    `#           old=$(docker compose ps -q ${name}); echo TAG=2 >.env`,
    `#           docker compose up -d --no-deps --no-recreate --scale ${name}=2 ${name}`,
    `#           timeout 5m docker wait "$old" && ${remove}`,
    "# docker wait prints 0 when the new release serves and the old one has finished. A release that does not get",
    "# ready ends with 70, and is tried again: the old one keeps serving.",
    "services:",
    "  # Owns the network and the port, and is never replaced: when it ends, every release is cut off.",
    "  network:",
    "    image: busybox:1.37",
    '    command: ["sleep", "infinity"]',
    "    init: true",
    `    ports: ["${port}:${port}"]`,
    "    restart: unless-stopped",
    `  ${JSON.stringify(name)}:`,
    `    image: ${JSON.stringify(`REGISTRY/${name}:\${TAG:?}`)}`,
    '    network_mode: "service:network"',
    `    entrypoint: ${inCompose([PROGRAM, "run", `--name=${name}`, ...options, ...own, "--"])}`,
    `    command: ${inCompose(config.command)}`,
    '    # A release that was taken over ends with 0: "always" and "unless-stopped" would start it again, and it',
    "    # would take over from its successor. After a reboot: docker compose up -d, from a unit.",
    '    restart: "on-failure:5"',
    "    stop_signal: SIGTERM",
    "    # Longer than --drain-time and --stop-time together.",
    `    stop_grace_period: ${Math.ceil(longestStopMs(config) / MS_PER_S) + RESERVE_S}s`,
    `    volumes: [${JSON.stringify(`handoff:${folder}`)}]`,
    "volumes:",
    "  # In memory; any user of an image may make its socket there, and remove only its own.",
    '  handoff: {driver_opts: {type: tmpfs, device: tmpfs, o: "mode=1777"}}',
    "",
  ].join("\n");
}

function checkTwoReleases({ shutdownOnly, order }: Config): void {
  const option = shutdownOnly
    ? "--shutdown-only"
    : order === "stop-first"
    ? "--order stop-first"
    : null;
  if (option === null) return;
  const why = "a release takes over while the one before it still runs";
  throw new UserError(`Cannot print a compose file with ${option}: ${why}`, {
    remedy:
      `Remove ${option}; a server that must not run twice cannot be replaced without a gap here`,
  });
}

/** Words in the exec form; compose replaces variables in all values, and a doubled dollar stands for one. */
function inCompose(words: readonly string[]): string {
  return wordList(words.map((word) => word.replaceAll("$", "$$$$")));
}
