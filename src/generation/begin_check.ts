/** Begins one check of one generation: of each kind, with the fields of the configuration. */
import { parseBodyPattern, parseBytes, parseStatuses } from "../config/validate_checks.ts";
import type { RunningContext } from "./context.ts";
import type { NetworkCheck, RepeatedCheck } from "../config/values/check_spec.ts";
import type { Config } from "../config/config.ts";
import { serverEnvironment } from "../handoff/socket_protocols.ts";
import type { RunningCheck } from "../health/check_loop.ts";
import { ConnectionCheck } from "../health/connection_check.ts";
import type { Dialogue } from "../health/dialogue.ts";
import { ExecCheck } from "../health/exec_check.ts";
import { GrpcDialogue } from "../health/grpc_dialogue.ts";
import { HttpDialogue } from "../health/http_dialogue.ts";
import type { CheckOutcome } from "../health/monitor.ts";
import { RedisDialogue } from "../health/redis_dialogue.ts";
import { TcpDialogue } from "../health/tcp_dialogue.ts";
import { withoutStale } from "../platform/process/environment.ts";
import { type ProbeRoute, routeTo } from "./probe_route.ts";

const EXPECTED = [{ from: 200, to: 200 }];

/** What a check is about. */
export interface CheckTarget {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly pid: number | null;
}

interface CheckRequest {
  readonly spec: RepeatedCheck;
  /** It has passed its gate. */
  readonly isLive: boolean;
  readonly onResult: (result: CheckOutcome) => void;
  /** It can never be answered. */
  readonly onImpossible: (reason: string) => void;
}

/** @returns null: there is nobody to ask yet, or nobody who can be told from another */
export function beginCheck(subject: CheckTarget, request: CheckRequest): RunningCheck | null {
  const { context, epoch } = subject;
  const { spec, onResult } = request;
  const { config, platform } = context;
  const timeoutMs = config.checkTimeoutMs;
  if (spec.kind === "exec") {
    return new ExecCheck(platform, {
      ...{ command: spec.command, timeoutMs, onResult },
      directory: config.cwd ?? "/",
      env: commandEnvironment(subject, request.isLive),
      onStarted: (pid, onEnd) => context.children.addHelper(pid, onEnd),
    });
  }
  const way = routeTo(platform, context.listeners, { epoch, port: spec.port });
  if (way === null) return null;
  if (request.isLive && (way.mustIdentify || way.isSteeredElsewhere)) return null;
  if (way.isSteeredElsewhere) {
    request.onImpossible(
      `${spec.text}: in a takeover the old baton steers until the switch, and no check of ours can ` +
        `reach the new generation at ${way.text}: use exec, notify, fd or log for --ready here`,
    );
    return null;
  }
  if (way.mustIdentify && spec.kind !== "http") {
    request.onImpossible(
      `${spec.text}: all generations share the socket at ${way.text}, and only an http check can ` +
        `tell which one has answered (header x-baton-epoch)`,
    );
    return null;
  }
  const dialogue = dialogueFor(spec, { config, epoch, way });
  return new ConnectionCheck(platform, { route: way, dialogue, timeoutMs, onResult });
}

function dialogueFor(
  spec: NetworkCheck,
  { config, epoch, way }: { config: Config; epoch: number; way: ProbeRoute },
): Dialogue {
  const host = config.checkHost ?? way.text;
  switch (spec.kind) {
    case "http":
      return new HttpDialogue({
        ...{ host, epoch, path: spec.path },
        method: config.checkMethod,
        expected: config.checkStatus === null ? EXPECTED : parseStatuses(config.checkStatus),
        retriable: config.checkRetriableStatus === null
          ? []
          : parseStatuses(config.checkRetriableStatus),
        body: config.checkBody === null ? null : parseBodyPattern(config.checkBody),
        serviceName: config.checkServiceName,
        mustIdentify: way.mustIdentify,
      });
    case "tcp":
      return new TcpDialogue({
        send: parseBytes(config.checkSend ?? ""),
        receive: config.checkReceive === null ? null : parseBytes(config.checkReceive),
      });
    case "redis":
      return new RedisDialogue();
    case "grpc":
      return new GrpcDialogue({ host, service: spec.service });
  }
}

/** Without BATON_EPOCH, by which processes of a generation are known (children.ts). */
function commandEnvironment({ context, epoch, pid }: CheckTarget, isLive: boolean) {
  const { config, platform } = context;
  const given = platform.runtime.env();
  const env = serverEnvironment(given, [], epoch);
  delete env["BATON_EPOCH"];
  env["BATON_NAME"] = config.name;
  env["BATON_CHECK"] = isLive ? "live" : "ready";
  env["BATON_CHECK_EPOCH"] = String(epoch);
  env["BATON_CHECK_PID"] = String(pid ?? "");
  env["PWD"] = config.cwd ?? "/";
  return withoutStale(env, given);
}
