/**
 * Starts one check of one generation, with the options of the configuration. Loaded where there are checks, or may be
 * after a reload.
 */
import type { NetworkCheck } from "../../config/values/check_spec.ts";
import type { RunningCheck } from "../../health/check_loop.ts";
import { beginExecCheck } from "./exec_command.ts";
import { ConnectionCheck, hostOf } from "../../health/connection_check.ts";
import type { Dialogue } from "../../health/dialogue.ts";
import { GrpcDialogue } from "../../health/grpc_dialogue.ts";
import { HttpDialogue } from "../../health/http_dialogue.ts";
import { RedisDialogue } from "../../health/redis_dialogue.ts";
import { TcpDialogue } from "../../health/tcp_dialogue.ts";
import type { RunningContext } from "../context.ts";
import type { CheckRequest, CheckTarget } from "./check_request.ts";
import type { ProbeRoute } from "./check_route.ts";
import { routeTo } from "./probe_route.ts";

type Target = CheckTarget<
  Pick<RunningContext, "config" | "platform" | "listeners" | "children" | "logError">
>;

/** @returns null: the generation cannot be reached yet, or an answer might be another's */
export function beginCheck(target: Target, request: CheckRequest): RunningCheck | null {
  const { context: { config, platform, listeners }, epoch, number: worker } = target;
  const { spec, isLive, onResult } = request;
  const timeoutMs = config.checkTimeoutMs;
  if (spec.kind === "exec") {
    const occasion = isLive ? "live" : "ready";
    return beginExecCheck(target, { command: spec.command, occasion, timeoutMs, onResult });
  }
  const route = routeTo(platform, listeners, { epoch, worker, place: spec.place });
  if (route === null) return null;
  if (isLive && (route.mustIdentify || route.isSteeredElsewhere)) return null;
  const obstacle = obstacleOn(route, spec);
  if (obstacle !== null) {
    request.onImpossible(`${spec.text}: ${obstacle}`);
    return null;
  }
  const dialogue = dialogueFor(spec, { config, epoch, route });
  return new ConnectionCheck(platform, { route, dialogue, timeoutMs, onResult });
}

function obstacleOn(route: ProbeRoute, spec: NetworkCheck): string | null {
  if (route.isSteeredElsewhere) {
    return "in a takeover the old baton steers until the switch, and no check of this baton can " +
      `reach the new generation at ${route.text}: use exec, notify, fd or log for --ready here`;
  }
  if (route.mustIdentify && spec.kind !== "http") {
    return `all generations share the socket at ${route.text}, and only an http check can ` +
      "tell which one has answered (header x-baton-epoch)";
  }
  return null;
}

function dialogueFor(
  spec: NetworkCheck,
  { config, epoch, route }: { config: RunningContext["config"]; epoch: number; route: ProbeRoute },
): Dialogue {
  const host = config.checkHost ?? hostOf(route);
  switch (spec.kind) {
    case "http":
      return new HttpDialogue({
        host,
        epoch,
        path: spec.path,
        method: config.checkMethod,
        expected: config.checkStatus ?? [{ from: 200, to: 200 }],
        retriable: config.checkRetriableStatus ?? [],
        body: config.checkBody,
        serviceName: config.checkServiceName,
        mustIdentify: route.mustIdentify,
      });
    case "tcp":
      return new TcpDialogue({
        send: config.checkSend ?? new Uint8Array(0),
        receive: config.checkReceive,
      });
    case "redis":
      return new RedisDialogue();
    case "grpc":
      return new GrpcDialogue({ host, service: spec.service });
  }
}
