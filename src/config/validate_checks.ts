/** The rules for the `--check-...`, `--ready` and `--live` options, and the parsers of their values. Pure. */
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import type { Config } from "./config.ts";
import { parsePattern } from "./values/check_spec.ts";
import { prefixed, UserError } from "./values/errors.ts";

/** @throws {UserError} at the first rule that is broken */
export function validateChecks(config: Config): void {
  checkValues(config);
  checkUse(config);
  checkAnnouncements(config);
}

function checkValues(config: Config): void {
  const values: readonly (readonly [string, string | null, (text: string) => unknown])[] = [
    ["check-status", config.checkStatus, parseStatuses],
    ["check-retriable-status", config.checkRetriableStatus, parseStatuses],
    ["check-body", config.checkBody, parseBodyPattern],
    ["check-send", config.checkSend, parseBytes],
    ["check-receive", config.checkReceive, parseBytes],
  ];
  for (const [flag, value, parse] of values) {
    try {
      if (value !== null) parse(value);
    } catch (error) {
      throw prefixed(`In --${flag}`, error);
    }
  }
}

/** Refuses an option that no check would use: the user expects it to have an effect. */
function checkUse(config: Config): void {
  const kinds = new Set<string>([...config.ready, ...config.live].map(({ kind }) => kind));
  const uses: readonly (readonly [flag: string, given: boolean, kinds: readonly string[]])[] = [
    ["check-host", config.checkHost !== null, ["http", "grpc"]],
    ["check-method", config.checkMethod !== "GET", ["http"]],
    ["check-status", config.checkStatus !== null, ["http"]],
    ["check-retriable-status", config.checkRetriableStatus !== null, ["http"]],
    ["check-body", config.checkBody !== null, ["http"]],
    ["check-service-name", config.checkServiceName !== null, ["http"]],
    ["check-send", config.checkSend !== null, ["tcp"]],
    ["check-receive", config.checkReceive !== null, ["tcp"]],
  ];
  for (const [flag, given, needed] of uses) {
    if (!given || needed.some((kind) => kinds.has(kind))) continue;
    const wanted = needed.join(" or ");
    throw new UserError(`Cannot use --${flag}: there is no ${wanted} check`, {
      remedy: `Add one with --ready or --live, or remove --${flag}`,
    });
  }
  if (config.checkMethod === "HEAD" && config.checkBody !== null) {
    throw new UserError("Cannot use --check-body with --check-method HEAD: it has no body", {
      remedy: "Use GET, or remove --check-body",
    });
  }
}

function checkAnnouncements(config: Config): void {
  const { ready, listen, output, survive, orphan } = config;
  const announced = ready.filter((spec) => spec.kind === "fd");
  if (announced.length > 1) {
    const both = announced.map(({ text }) => text).join(" and ");
    throw new UserError(`Cannot use --ready ${both}: a server has only one ready descriptor`, {
      remedy: "Remove one of them",
    });
  }
  const [fd] = announced;
  if (fd !== undefined && fd.descriptor < FIRST_PASSED_DESCRIPTOR + listen.length) {
    const name = listen[fd.descriptor - FIRST_PASSED_DESCRIPTOR]?.name ?? "";
    throw new UserError(`Cannot use --ready ${fd.text}: it is the socket of listener ${name}`, {
      remedy: `Use a descriptor from ${FIRST_PASSED_DESCRIPTOR + listen.length} on`,
    });
  }
  const log = ready.find((spec) => spec.kind === "log");
  if (log === undefined) return;
  const conflict = output === "direct"
    ? "--output direct"
    : survive
    ? "--survive"
    : orphan === "keep"
    ? "--orphan keep"
    : null;
  if (conflict === null) return;
  throw new UserError(
    `Cannot use --ready ${log.text} with ${conflict}: the server's output must come through baton`,
    { remedy: "Use another --ready, such as http:/PATH or notify" },
  );
}

/** Statuses from..to, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

const MIN_STATUS = 200;
const MAX_STATUS = 599;

/** @param text `200-299,304` */
export function parseStatuses(text: string): readonly StatusRange[] {
  return text.split(",").map((part) => {
    const [, first, last] = /^\s*(\d{3})(?:-(\d{3}))?\s*$/.exec(part) ?? [];
    const from = Number(first);
    const to = last === undefined ? from : Number(last);
    // Statuses below 200 are not final.
    if (!(from >= MIN_STATUS && to <= MAX_STATUS && from <= to)) {
      throw new UserError(
        `Cannot use ${JSON.stringify(text)}: ${JSON.stringify(part)} is not a status or range of ` +
          `statuses from ${MIN_STATUS} to ${MAX_STATUS}`,
        { remedy: "Write for example 200, 200-299 or 200-299,304" },
      );
    }
    return { from, to };
  });
}

/** @param text with the escapes \r, \n, \t, \0, \\ and \xNN; the rest is taken as UTF-8 */
export function parseBytes(text: string): Uint8Array {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  const named: Readonly<Record<string, number>> = { r: 13, n: 10, t: 9, "0": 0, "\\": 92 };
  for (const [part, hex, name] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\(.?)|[^\\]+/gsu)) {
    const value = hex !== undefined ? parseInt(hex, 16) : named[name ?? ""];
    if (value !== undefined) bytes.push(value);
    else if (name === undefined) bytes.push(...encoder.encode(part));
    else {
      throw new UserError(
        `Cannot use ${JSON.stringify(text)}: ${JSON.stringify(part)} is not an escape`,
        { remedy: "Write \\xNN with two hexadecimal digits, \\r, \\n, \\t, \\0 or \\\\" },
      );
    }
  }
  return Uint8Array.from(bytes);
}

/** @param text a regular expression, without delimiters */
export function parseBodyPattern(text: string): RegExp {
  return parsePattern(
    text,
    "",
    (why) => new UserError(`Cannot use ${JSON.stringify(text)}: ${why}`),
  );
}
