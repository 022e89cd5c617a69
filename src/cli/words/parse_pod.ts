/** The verbs for pods: words -> commands. Pure. */
import { UserError, withPlace } from "../../config/values/errors.ts";
import { type InetListenSpec, parseOwnAddress } from "../../config/values/listen_spec.ts";
import { PRESTOP_DEFAULTS } from "./verbs.ts";
import { durationOf, type Target, targetOf, type Words } from "./words.ts";

const MAX_PORT = 65_535;

export interface PrestopCommand extends Target {
  readonly verb: "prestop";
  /** Empty: every port with a listener. */
  readonly ports: readonly number[];
  readonly minMs: number;
  readonly quietMs: number;
  readonly maxMs: number;
  /** The address at which to answer the kubelet; null: this process is the hook. */
  readonly serve: InetListenSpec | null;
}

export interface InstallCommand {
  readonly verb: "install";
  readonly directory: string;
}

export function parsePrestop(words: Words): PrestopCommand {
  const ports = (words.flags.get("port") ?? []).map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port >= 1 && port <= MAX_PORT) return port;
    throw new UserError(`In --port: Cannot use "${text}": it must be from 1 to ${MAX_PORT}`);
  });
  return {
    verb: "prestop",
    ...targetOf(words),
    ports,
    minMs: durationOf(words, "min") ?? PRESTOP_DEFAULTS.minMs,
    quietMs: durationOf(words, "quiet") ?? PRESTOP_DEFAULTS.quietMs,
    maxMs: durationOf(words, "max") ?? PRESTOP_DEFAULTS.maxMs,
    serve: serveOf(words),
  };
}

function serveOf({ flags }: Words): InetListenSpec | null {
  const text = flags.get("serve")?.[0];
  if (text === undefined) return null;
  const named = ["name", "runtime-dir"].find((flag) => flags.has(flag));
  if (named !== undefined) {
    throw new UserError(`Cannot use --${named} with --serve: a sidecar cannot see another baton`, {
      remedy: "Remove one of the two",
    });
  }
  return withPlace("In --serve", () => parseOwnAddress(text, "--serve"));
}

export function parseInstall({ operands }: Words): InstallCommand {
  const [directory] = operands;
  if (directory !== undefined && directory !== "") return { verb: "install", directory };
  throw new UserError("Cannot install: the directory is missing", {
    remedy: "For example: baton install /opt/baton",
  });
}
