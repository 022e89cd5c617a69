/**
 * One `--ready` or `--live` value: which check a generation must pass, and where.
 *
 * Guarantees: ports are 1 to 65535, a path is valid in a request line, a regular expression compiles. A check without a
 * port or Unix socket finds its listener at run time (docs/health.md).
 */
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";
import { errorText } from "../../platform/error.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../../platform/fd.ts";

/** A port, or what a Unix socket is bound to; null: the first listener. */
export type CheckPlace = number | string | null;

/** Sent to the server through its own listener. */
export type NetworkCheck =
  & { readonly text: string; readonly place: CheckPlace }
  & (
    | { readonly kind: "http"; readonly path: string }
    | { readonly kind: "tcp" | "redis" }
    | { readonly kind: "grpc"; readonly service: string }
  );

/** A command of the operator, which exits with 0 while the server is healthy. */
interface ExecCheckSpec {
  readonly kind: "exec";
  readonly text: string;
  readonly command: string;
}

/** Can run any number of times. */
export type RepeatedCheck = NetworkCheck | ExecCheckSpec;

/** The server reports it, once. */
type Announcement =
  | { readonly kind: "fd"; readonly text: string; readonly descriptor: number }
  | { readonly kind: "log"; readonly text: string; readonly pattern: RegExp };

/** The supervisor observes it. */
interface BuiltInGate {
  readonly kind: "auto" | "listen" | "notify";
  readonly text: string;
}

export type ReadyGate = BuiltInGate["kind"];

export type ReadySpec = BuiltInGate | Announcement | RepeatedCheck;

const GATES = ["auto", "listen", "notify"] as const;
const ANNOUNCED = ["fd", "log"] as const;

const MAX_PORT = 65_535;
/** While it starts a server, baton has its own from 64 on (platform/process/processes.ts). */
const LAST_DESCRIPTOR = 63;

const EXAMPLES: Readonly<Record<(RepeatedCheck | Announcement)["kind"], string>> = {
  http: "Write http:/PATH, http:PORT/PATH or http:unix:/SOCKET:/PATH, for example http:/healthz, " +
    "http:8081/ready or http:unix:/run/web.sock:/healthz",
  tcp: "Write tcp, tcp:PORT or tcp:unix:/SOCKET",
  redis: "Write redis, redis:PORT or redis:unix:/SOCKET",
  grpc: "Write grpc, grpc:PORT, grpc/SERVICE, grpc:PORT/SERVICE or grpc:unix:/SOCKET:/SERVICE",
  exec: "Write exec:COMMAND, which is run by sh -c",
  fd: "Write fd:N, for example fd:3",
  log: "Write log:REGEX or log:/REGEX/, for example log:'listening on'",
};

const REPEATED = Object.keys(EXAMPLES).filter((kind) => !ANNOUNCED.some((word) => word === kind));

export function isRepeated(spec: ReadySpec): spec is RepeatedCheck {
  return REPEATED.includes(spec.kind);
}

function refuse(text: string, reason: string, remedy?: string): UserError {
  return new UserError(`Cannot check ${JSON.stringify(text)}: ${reason}`, { remedy });
}

/** @param text a value of `--ready` */
export function parseReadySpec(text: string): ReadySpec {
  const gate = GATES.find((word) => word === text);
  if (gate !== undefined) return { kind: gate, text };
  const [kind, rest] = split(text);
  if (kind === "fd") return parseDescriptor(text, rest);
  if (kind === "log") return { kind, text, pattern: parseLinePattern(text, rest) };
  return parseRepeated(text, kind, rest, [...GATES, ...REPEATED, ...ANNOUNCED]);
}

/** @param text a value of `--live` */
export function parseLiveSpec(text: string): RepeatedCheck {
  const [kind, rest] = split(text);
  if ([...GATES, ...ANNOUNCED].some((word) => word === kind)) {
    const why =
      `${kind} happens once, when the server starts: it cannot show later that the server is alive`;
    throw refuse(text, why, `Use one of ${REPEATED.join(", ")}`);
  }
  return parseRepeated(text, kind, rest, REPEATED);
}

/** Splits "http:8080/x" into "http" and ":8080/x". Only a shell takes bytes that are not UTF-8. */
function split(text: string): [kind: string, rest: string] {
  const kind = /^[^:/]*/.exec(text)?.[0] ?? "";
  if (kind !== "exec" && !text.isWellFormed()) throw refuse(text, "it must be UTF-8");
  return [kind, text.slice(kind.length)];
}

function parseRepeated(
  text: string,
  kind: string,
  rest: string,
  known: readonly string[],
): RepeatedCheck {
  switch (kind) {
    case "http":
      return parseHttp(text, rest);
    case "tcp":
    case "redis":
      return { kind, text, place: parsePlace(text, kind, rest) };
    case "grpc": {
      const [place, slashed] = splitPlace(rest);
      const service = slashed.slice(1);
      if (!/^[\x21-\x7e]*$/.test(service)) {
        throw refuse(text, "a service name is printable ASCII without spaces", EXAMPLES["grpc"]);
      }
      return { kind, text, service, place: parsePlace(text, kind, place) };
    }
    case "exec": {
      const command = rest.slice(1);
      if (command.trim() === "") throw refuse(text, "the command is missing", EXAMPLES["exec"]);
      if (command.includes("\0")) throw refuse(text, "the command holds a NUL character");
      return { kind, text, command };
    }
  }
  const near = suggest(kind, known);
  const why = `${JSON.stringify(kind)} is not a kind of check: use ${known.join(", ")}`;
  throw refuse(text, why, near === null ? undefined : `Did you mean ${near}?`);
}

function parseHttp(text: string, rest: string): NetworkCheck {
  if (rest.startsWith("://")) {
    const why = "a check has no host: it connects to the server's own listener";
    throw refuse(text, why, EXAMPLES["http"]);
  }
  const [place, path] = splitPlace(rest);
  if (path === "") throw refuse(text, "the path is missing", EXAMPLES["http"]);
  if (!/^[\x21-\x7e]+$/.test(path)) {
    const why = "a path is printable ASCII without spaces";
    throw refuse(text, why, "Write other characters as %XX");
  }
  return { kind: "http", text, path, place: parsePlace(text, "http", place === ":" ? "" : place) };
}

const UNIX = ":unix:";

/** Splits what is after the kind where the path of a request begins: ":8080/x", ":unix:/run/x.sock:/x" as nginx has it. */
function splitPlace(rest: string): [place: string, path: string] {
  const isUnix = rest.startsWith(UNIX);
  const at = isUnix ? rest.indexOf(":/", UNIX.length) : rest.indexOf("/");
  if (at < 0) return [rest, ""];
  return [rest.slice(0, at), rest.slice(isUnix ? at + 1 : at)];
}

/** @param rest nothing, ":PORT" or ":unix:NAME" */
function parsePlace(text: string, kind: NetworkCheck["kind"], rest: string): CheckPlace {
  if (rest === "") return null;
  if (rest.startsWith(UNIX)) {
    const name = rest.slice(UNIX.length);
    if (/^[/@][^\0]*[^/\0]$/.test(name)) return name;
    throw refuse(text, `${JSON.stringify(name)} is not the path of a Unix socket`, EXAMPLES[kind]);
  }
  const digits = /^:(\d{1,5})$/.exec(rest)?.[1];
  if (digits === undefined) {
    throw refuse(text, `${JSON.stringify(rest)} is not a port`, EXAMPLES[kind]);
  }
  const port = Number(digits);
  if (port < 1 || port > MAX_PORT) throw refuse(text, `ports go from 1 to ${MAX_PORT}`);
  return port;
}

function parseDescriptor(text: string, rest: string): Announcement {
  const digits = /^:(\d{1,4})$/.exec(rest)?.[1];
  if (digits === undefined) {
    throw refuse(text, "the number of the descriptor is missing", EXAMPLES["fd"]);
  }
  const descriptor = Number(digits);
  if (descriptor < FIRST_PASSED_DESCRIPTOR || descriptor > LAST_DESCRIPTOR) {
    const bounds = `${FIRST_PASSED_DESCRIPTOR} to ${LAST_DESCRIPTOR}`;
    throw refuse(text, `it must be a descriptor from ${bounds}`);
  }
  return { kind: "fd", text, descriptor };
}

/** REGEX, or /REGEX/ with flags. */
function parseLinePattern(text: string, rest: string): RegExp {
  const [, delimited, flags] = /^:\/(.*)\/([a-z]*)$/s.exec(rest) ?? [];
  const source = delimited ?? rest.slice(1);
  if (source === "") throw refuse(text, "the regular expression is missing", EXAMPLES["log"]);
  return parsePattern(source, flags ?? "", (why) => refuse(text, why, EXAMPLES["log"]));
}

/** @throws the result of `refusal` when `source` is not a regular expression */
export function parsePattern(
  source: string,
  flags: string,
  refusal: (why: string) => UserError,
): RegExp {
  // "g" and "y" would start each line where the match in the previous one ended.
  const bad = /[^imsuv]/.exec(flags)?.[0];
  if (bad !== undefined) {
    throw refusal(`${JSON.stringify(bad)} is not a valid flag: use i, m, s or u`);
  }
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw refusal(errorText(error));
  }
}
