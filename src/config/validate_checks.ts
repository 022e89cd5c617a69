/** The rules across the options of health checks, and the values that only a parser can judge. Pure. */
import { parseBodyPattern, parseBytes, parseStatuses } from "./check_values.ts";
import type { Config } from "./config.ts";
import { prefixed, UserError } from "./values/errors.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";

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

/** What would have no effect was meant for something. */
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
    throw new UserError(`Cannot use --ready ${both}: a server has one such descriptor`, {
      remedy: "Remove one of them",
    });
  }
  const [fd] = announced;
  if (fd !== undefined && fd.descriptor < FIRST_PASSED_DESCRIPTOR + listen.length) {
    const name = listen[fd.descriptor - FIRST_PASSED_DESCRIPTOR]?.name ?? "";
    throw new UserError(`Cannot use --ready ${fd.text}: that is the socket of listener ${name}`, {
      remedy: `Use a descriptor from ${FIRST_PASSED_DESCRIPTOR + listen.length} on`,
    });
  }
  const log = ready.find((spec) => spec.kind === "log");
  if (log === undefined) return;
  const obstacle = output === "direct"
    ? "--output direct"
    : survive
    ? "--survive"
    : orphan === "keep"
    ? "--orphan keep"
    : null;
  if (obstacle === null) return;
  throw new UserError(
    `Cannot use --ready ${log.text} with ${obstacle}: the server's output must come through baton`,
    { remedy: "Use another --ready, such as http:/PATH or notify" },
  );
}
