/**
 * Before TERM, which an Envoy obeys at once: it accepts nothing more, says goodbye to its clients, and finishes the requests
 * that it has, as far as its administration interface can be found by its command line.
 */
import { readFileSync } from "node:fs";
import type { CallPlace } from "../config/values/drain_call_spec.ts";
import { findEnvoyAdmin } from "../envoy/admin_address.ts";
import { type AdminAddress, askAdmin } from "../envoy/admin_client.ts";
import { sleep } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { commandLineOf } from "../platform/process/proc.ts";
import { envoyOf } from "./envoy_memory.ts";

const LOOK_MS = 100;
const ANSWER_MS = 2_000;
/** With what is left of the 30 s that the original gives: 5 s from TERM to KILL. */
const LONGEST_MS = 25_000;
const ACTIVE = /^http\.(?!admin\.).*\.downstream_rq_active: (\d+)$/gm;

/** Or why it is not known. */
export type FoundAdmin = AdminAddress | string;

/** @param isOver there is no more waiting for it @returns what has come of it, for the log */
export async function leave(
  platform: Platform,
  found: FoundAdmin,
  isOver: () => boolean,
): Promise<string> {
  const { clock } = platform;
  if (typeof found === "string") return `requests in flight will be cut: ${found}`;
  const ask = (method: string, path: string) =>
    askAdmin(platform, found, { method, path, timeoutMs: ANSWER_MS });
  for (const path of ["/healthcheck/fail", "/drain_listeners"]) {
    const answer = await ask("POST", path);
    if ("failure" in answer) {
      return `requests in flight will be cut: POST ${path}: ${answer.failure}`;
    }
  }
  const endMs = clock.now() + LONGEST_MS;
  for (let active = -1; !isOver(); await sleep(clock, LOOK_MS)) {
    const answer = await ask("GET", "/stats?filter=downstream_rq_active");
    if ("failure" in answer) return `requests in flight may be cut: GET /stats: ${answer.failure}`;
    active = [...answer.body.matchAll(ACTIVE)].reduce((sum, [, count]) => sum + Number(count), 0);
    if (active === 0) return "all requests are finished";
    if (clock.now() >= endMs) return `${active} requests are cut: they took too long`;
  }
  return "";
}

/** To be called when it has just become LIVE: its configuration may be another one later. */
export async function adminOf(pid: number): Promise<FoundAdmin> {
  const envoy = envoyOf(pid);
  if (envoy === null) return `process ${pid} has no memory of Envoy's hot restart`;
  const found = await findEnvoyAdmin(commandLineOf(envoy).slice(1), {
    read: (path) => readAs(envoy, path),
    listensAt: () => true,
  });
  return "place" in found ? addressOf(found.place) : "Envoy has no admin address that is known";
}

/** As the process sees it. */
function readAs(pid: number, path: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${path.startsWith("/") ? "root" : "cwd/"}${path}`, "utf8");
  } catch {
    return null;
  }
}

function addressOf(place: CallPlace): AdminAddress {
  if ("unix" in place) return { family: "unix", path: place.unix };
  const host = place.host ?? "127.0.0.1";
  const family = host.includes(":") ? "inet6" : "inet";
  return { family, host, port: place.port ?? 0, scope: 0 };
}
