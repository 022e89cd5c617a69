/** The verbs for pods: words -> commands. Pure. */
import { ConfigError } from "../config/errors.ts";
import { PRESTOP_DEFAULTS } from "./pod_verbs.ts";
import { durationOf, nameOf, runtimeDirOf } from "./words.ts";
import type { Words } from "./words.ts";

const MAX_PORT = 65_535;

/** What `baton prestop` was asked to do. */
export interface PrestopCommand {
  readonly verb: "prestop";
  readonly name: string | null;
  readonly runtimeDir: string | null;
  /** Empty: every port that somebody listens at. */
  readonly ports: readonly number[];
  readonly minMs: number;
  readonly quietMs: number;
  readonly maxMs: number;
}

export interface InstallCommand {
  readonly verb: "install";
  readonly directory: string;
}

export function parsePrestop(words: Words): PrestopCommand {
  const ports = (words.flags.get("port") ?? []).map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port >= 1 && port <= MAX_PORT) return port;
    throw new ConfigError(`In --port: Cannot use "${text}": it must be from 1 to ${MAX_PORT}`);
  });
  return {
    verb: "prestop",
    name: nameOf(words),
    runtimeDir: runtimeDirOf(words),
    ports,
    minMs: durationOf(words, "min") ?? PRESTOP_DEFAULTS.minMs,
    quietMs: durationOf(words, "quiet") ?? PRESTOP_DEFAULTS.quietMs,
    maxMs: durationOf(words, "max") ?? PRESTOP_DEFAULTS.maxMs,
  };
}

export function parseInstall({ operands }: Words): InstallCommand {
  const [directory] = operands;
  if (directory !== undefined && directory !== "") return { verb: "install", directory };
  throw new ConfigError("Cannot install: the directory is missing", {
    remedy: "Name it: baton install /opt/baton",
  });
}
