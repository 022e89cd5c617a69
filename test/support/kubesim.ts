/**
 * What of Kubernetes the end of a pod depends on, on one machine: containers as namespaces, the kubelet's order of
 * events (kube_pod.ts), a balancer that hears of removals late (kube_balancer.ts), and a rolling update under load
 * (kubesim_main.ts). Bounded in time; everything is in namespaces that end with the process.
 */
import process from "node:process";
import { runCommand } from "./baton.ts";
import type { Ending } from "./kube_pod.ts";
import { findBun, REPOSITORY, required, which } from "./programs.ts";
import { notPermitted } from "./restrict.ts";
import type { ServerId } from "./servers.ts";

const NODE = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];

const VETH = ["sh", "-c", "ip link add veth1 type veth peer name veth2 && unshare --net true"];

/** Why it cannot work here, or false. */
export const noKubesim: string | false = process.getuid?.() !== 0
  ? "namespaces of a node need root"
  : which("ip") === null
  ? "ip (iproute2) is not installed"
  : notPermitted(NODE, VETH);

export interface Scenario {
  readonly server: ServerId | "ignores_term";
  /**
   * baton as process 1; as a hook; as a sidecar that a hook asks. Without: the server as process 1; below an init.
   */
  readonly form: "entrypoint" | "prestop" | "sidecar" | "bare" | "init";
  readonly pods: number;
  /** From a pod's removal until the balancer sends it nothing new. */
  readonly lagMs: number;
  readonly minDrainMs: number;
  readonly maxDrainMs: number;
  readonly graceMs: number;
  /** With connections that they keep; four more make a new one for each request. */
  readonly clients: number;
  readonly thinkTimeMs: number;
  /** Every request of those takes that long; 0 = as long as it takes. */
  readonly slowMs: number;
  readonly limitMs: number;
}

interface Count {
  readonly ok: number;
  readonly lost: number;
  readonly text: string;
}

export interface Outcome {
  /** A new connection for each request. */
  readonly fresh: Count;
  readonly kept: Count;
  readonly endings: readonly Ending[];
  /** Output of the pods that were replaced. */
  readonly output: string;
}

/** @throws {Error} when the simulation itself fails */
export async function rollingUpdate(scenario: Scenario): Promise<Outcome> {
  const { code, stdout, stderr } = await runCommand([
    ...NODE,
    // Clients and balancer are one process: a stall of it would be a client that sends on a connection whose end
    // it could have known of. The pods are as they are (kube_pod.ts).
    "nice",
    "-n",
    "-15",
    "timeout",
    "-s",
    "KILL",
    String(Math.ceil(scenario.limitMs / 1000) + 10),
    required("bun", findBun()),
    `${REPOSITORY}/test/support/kubesim_main.ts`,
    JSON.stringify(scenario),
  ]);
  if (code !== 0) throw new Error(`kubesim failed (${code}): ${stderr}${stdout}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Outcome;
}
