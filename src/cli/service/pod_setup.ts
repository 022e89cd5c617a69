/**
 * What both modes of `baton run` set up for a pod: the budget of a shutdown, checked before a server starts, and the
 * probes.
 */
import type { HttpPort } from "../../admin/http_port.ts";
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import type { InetListenSpec } from "../../config/values/listen_spec.ts";
import { budgetOf, isInPod, minDrainMs } from "../../pod/budget.ts";
import type { PodSetup } from "../../pod/pod.ts";
import type { Logger } from "../../log/logger.ts";
import type { InetAddress } from "../../platform/network/address.ts";
import { SystemCallError } from "../../platform/error.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";

/**
 * @param longestMs from the end of `--min-drain` until KILL
 * @throws {UserError} when it does not fit into --grace
 */
export function podSetup(
  config: Config,
  env: Readonly<Record<string, string>>,
  longestMs: number,
  logger: Logger,
): PodSetup {
  const inPod = isInPod(env);
  const leastMs = minDrainMs(config.minDrainMs, inPod);
  const budget = budgetOf({
    minDrainMs: leastMs,
    maxDrainMs: longestMs,
    graceMs: config.graceMs,
    inPod,
  });
  if (!budget.fits && config.graceMs !== null) {
    const longest = config.shutdownOnly ? "--max-drain" : stopOptions(config);
    throw new UserError(`Cannot shut down within --grace: ${budget.text}`, {
      remedy: `Lower --min-drain, ${longest}, or raise --grace with the pod's grace period`,
    });
  }
  if (!budget.fits) {
    logger.warn(`the shutdown may take longer than the pod's grace period: ${budget.text}`);
  } else if (budget.graceMs !== null) {
    logger.info(`the shutdown fits into the grace period: ${budget.text}`);
  }
  const { probeListen } = config;
  const probeAddress = probeListen === null ? null : inetAddress(probeListen);
  return { inPod, minDrainMs: leastMs, probeAddress };
}

/** The options that bound a stop of the full mode. */
function stopOptions({ hook }: Config): string {
  return hook.length === 0
    ? "--drain-time or --stop-time"
    : "--drain-time, --stop-time or --hook-timeout";
}

export function inetAddress({ family, host, port }: InetListenSpec): InetAddress {
  return { family, host, port, scope: 0 };
}

/** @param option names the address @throws {UserError} when another program has the address */
export function openPort(
  option: string,
  address: InetAddress,
  open: () => HttpPort,
): HttpPort {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new UserError(
      `Cannot answer probes at ${address.host}:${address.port}: ${error.message}`,
      { status: EXIT_BUSY, remedy: `Use another address with ${option}` },
    );
  }
}
