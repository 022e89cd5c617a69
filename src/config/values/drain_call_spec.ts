/**
 * One `--drain-call` or `--drain-undo` value: how a server is asked to say goodbye to its clients, and to stop saying so.
 *
 * Guarantees: with `{epoch}`, `{worker}` and their like filled in, a port is 1 to 65535 and a path is valid in a request
 * line. They are filled in when the call is made: each generation and worker has its own.
 */
import { UserError } from "./errors.ts";
import { fillPlaceholders } from "./placeholders.ts";
import { parseSignalName, type SignalName } from "./signals.ts";

/** Where a request goes: a listener of the service, or what else answers there. */
export type CallPlace =
  | {
    /** An IP address; null: this machine. */
    readonly host: string | null;
    /** Null: the first listener of the service. */
    readonly port: number | null;
  }
  /** "@name" is abstract. */
  | { readonly unix: string };

export type DrainCall =
  & { readonly text: string }
  & (
    | {
      readonly kind: "http";
      readonly method: string;
      readonly path: string;
      readonly place: CallPlace;
    }
    /** A command of the operator, which exits with 0 when the server has been asked. */
    | { readonly kind: "exec"; readonly command: string }
    /** To the leading process. */
    | { readonly kind: "signal"; readonly signal: SignalName }
    /** A file that is there while it says goodbye: servers can look at one for each answer. */
    | { readonly kind: "file"; readonly file: string }
    /** Neither this nor what baton knows of the program. */
    | { readonly kind: "none" }
  );

const FORMS =
  "Write METHOD:http://127.0.0.1:PORT/PATH, METHOD:PORT/PATH, METHOD:/PATH, unix:/SOCKET:METHOD:/PATH, " +
  "signal:NAME, file:/PATH, exec:COMMAND or none, for example POST:9901/healthcheck/fail";
const MAX_PORT = 65_535;
const METHOD = /^[A-Z]{3,16}$/;

function refuse(text: string, reason: string, remedy = FORMS): UserError {
  return new UserError(`Cannot call ${JSON.stringify(text)}: ${reason}`, { remedy });
}

/** @param texts the values of one option, as they were given */
export function parseDrainCalls(texts: readonly string[]): readonly DrainCall[] {
  const calls = texts.map((text) => {
    drainCallFor(text, 0, 0);
    return parseDrainCall(text);
  });
  const none = calls.find(({ kind }) => kind === "none");
  if (none !== undefined && calls.length > 1) throw refuse(none.text, "it stands alone");
  return calls;
}

/** @returns the call to one worker of one generation */
export function drainCallFor(text: string, epoch: number, worker: number): DrainCall {
  // A shell gets them in its environment, and braces are its own.
  const isCommand = text.startsWith("exec:");
  const [filled = text] = isCommand ? [text] : fillPlaceholders([text], [], epoch, worker);
  const call = parseDrainCall(filled);
  checkPort(call);
  return call;
}

/** The port may still be a placeholder. */
function parseDrainCall(text: string): DrainCall {
  if (text === "none") return { kind: "none", text };
  if (text.startsWith("exec:")) {
    const command = text.slice("exec:".length);
    if (command.trim() === "") throw refuse(text, "the command is missing");
    if (command.includes("\0")) throw refuse(text, "the command holds a NUL character");
    return { kind: "exec", text, command };
  }
  if (text.startsWith("signal:")) return parseSignal(text);
  if (!text.isWellFormed()) throw refuse(text, "it must be UTF-8");
  if (text.startsWith("file:")) return parseFile(text);
  if (text.startsWith("unix:")) return parseUnix(text);
  const [, method = "", target = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  checkMethod(text, method);
  const { place, path } = parseTarget(text, target);
  return { kind: "http", text, method, path: checkedPath(text, path), place };
}

function parseSignal(text: string): DrainCall {
  const signal = parseSignalName(text.slice("signal:".length));
  // Its stop signal comes by itself.
  if (signal === "SIGKILL" || signal === "SIGSTOP") {
    throw refuse(text, `no program can handle ${signal}`);
  }
  return { kind: "signal", text, signal };
}

function parseFile(text: string): DrainCall {
  const file = text.slice("file:".length);
  if (!/^\/[^\0]*[^/\0]$/.test(file)) {
    throw refuse(text, "it is not an absolute path of a file", "Write file:/run/web.{epoch}.drain");
  }
  return { kind: "file", text, file };
}

function parseUnix(text: string): DrainCall {
  const found = /^unix:([/@][^\0]*?[^/\0]):([A-Za-z]+):(\/.*)$/s.exec(text);
  if (found === null) throw refuse(text, "it is not unix:/SOCKET:METHOD:/PATH");
  const [, unix = "", method = "", path = ""] = found;
  checkMethod(text, method);
  return { kind: "http", text, method, path: checkedPath(text, path), place: { unix } };
}

function parseTarget(text: string, target: string): { place: CallPlace; path: string } {
  if (/^https:/i.test(target)) {
    throw refuse(text, "baton speaks no TLS", `Use exec: with a program that does, such as curl`);
  }
  const url = /^http:\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]*)(?::([^/]*))?(\/.*)$/s.exec(target);
  if (url !== null) {
    const [, host = "", port = "80", path = ""] = url;
    return { place: { host: hostIn(text, host), port: portIn(text, port) }, path };
  }
  if (/^http:/i.test(target)) throw refuse(text, "it is not http://HOST:PORT/PATH");
  const [, port = "", path = ""] = /^([^/]*)(\/.*)$/s.exec(target) ?? [];
  if (path === "") throw refuse(text, "the path is missing");
  return { place: { host: null, port: port === "" ? null : portIn(text, port) }, path };
}

/** @returns an IP address; null for this machine */
function hostIn(text: string, host: string): string | null {
  if (/^(localhost)?$/i.test(host)) return null;
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (bare.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(bare)) return bare;
  throw refuse(text, `${JSON.stringify(host)} is not an IP address or localhost`);
}

function portIn(text: string, digits: string): number {
  if (/^(\d|\{[a-z]+\})+$/.test(digits)) return /^\d+$/.test(digits) ? Number(digits) : NaN;
  throw refuse(text, `${JSON.stringify(digits)} is not a port`);
}

function checkPort(call: DrainCall): void {
  if (call.kind !== "http" || "unix" in call.place || call.place.port === null) return;
  const { port } = call.place;
  if (!(port >= 1 && port <= MAX_PORT)) {
    throw refuse(call.text, `ports go from 1 to ${MAX_PORT}`);
  }
}

function checkMethod(text: string, method: string): void {
  if (METHOD.test(method)) return;
  const isMissing = /^(https?|\/|\d)/.test(text);
  const why = isMissing
    ? "the method is missing"
    : `${JSON.stringify(method)} is not a method, in capital letters`;
  throw refuse(text, why);
}

function checkedPath(text: string, path: string): string {
  if (/^[\x21-\x7e]+$/.test(path)) return path;
  throw refuse(text, "a path is printable ASCII without spaces", "Write other characters as %XX");
}
