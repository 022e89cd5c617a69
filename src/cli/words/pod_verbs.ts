/** The verbs for pods, and the flags that they share with other verbs; help.ts shows them. */
import { formatDuration } from "../../config/values/duration.ts";
import type { VerbFlag, VerbSpec } from "./verb_spec.ts";

/** Of `baton prestop`, in milliseconds: with the reserve, 28 s of a pod's 30. */
export const PRESTOP_DEFAULTS = { minMs: 5_000, quietMs: 2_000, maxMs: 20_000 } as const;

export const NAME: VerbFlag = {
  flag: "name",
  placeholder: "NAME",
  help: "Name of the service; --name may be left out. By default the only running service.",
};
export const RUNTIME_DIR: VerbFlag = {
  flag: "runtime-dir",
  placeholder: "DIR",
  help: "Directory of the control socket, if 'baton run' has this option, too.",
};
const PORT: VerbFlag = {
  flag: "port",
  placeholder: "PORT",
  help: "Port of the service. May be given several times. By default every port with a listener.",
  repeatable: true,
};
const MIN: VerbFlag = {
  flag: "min",
  placeholder: "TIME",
  help: `Least time to wait. [default: ${formatDuration(PRESTOP_DEFAULTS.minMs)}]`,
};
const PRESTOP_QUIET: VerbFlag = {
  flag: "quiet",
  placeholder: "TIME",
  help: "Wait until no new connection has arrived for this long. " +
    `[default: ${formatDuration(PRESTOP_DEFAULTS.quietMs)}]`,
};
const MAX: VerbFlag = {
  flag: "max",
  placeholder: "TIME",
  help: "Wait no longer than --min and this together, even with open connections. " +
    `[default: ${formatDuration(PRESTOP_DEFAULTS.maxMs)}]`,
};
const SERVE: VerbFlag = {
  flag: "serve",
  placeholder: "ADDRESS",
  help:
    "Run as a sidecar: at this address each request for /prestop waits, and is answered when the " +
    "wait is over; /readyz and /livez are there, too.",
};

/** Between `stop` and `doctor` in the help text. */
export const POD_VERBS: Readonly<Record<"ready" | "prestop" | "install", VerbSpec>> = {
  ready: {
    summary: "Report by the exit status whether a service gets traffic: 0 yes, 1 no.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: [NAME, RUNTIME_DIR],
    examples: [
      ["baton ready", "as an exec probe"],
      ["baton ready web", "one by name"],
    ],
  },
  prestop: {
    summary: "Wait until a pod gets no more traffic: a preStop hook for any image.",
    operands: "",
    maxOperands: 0,
    flags: [PORT, MIN, PRESTOP_QUIET, MAX, SERVE, NAME, RUNTIME_DIR],
    examples: [
      ["baton prestop --port 8080", "without a running baton"],
      ["baton prestop --min 15s --max 30s", "behind a slow load balancer"],
      ["baton prestop --port 8080 --serve 0.0.0.0:9901", "as a sidecar of the server's container"],
    ],
  },
  install: {
    summary: "Copy this program into a directory, for other containers of a pod.",
    operands: "DIR",
    maxOperands: 1,
    flags: [],
    examples: [
      ["baton install /opt/baton", "in an init container"],
      ["baton install .", "in the current directory"],
    ],
  },
};
