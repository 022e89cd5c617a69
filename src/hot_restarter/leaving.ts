/**
 * Before TERM, which an Envoy obeys at once: it accepts nothing more, says goodbye to its clients, and finishes the requests
 * that it has, as far as its administration interface can be found by its command line.
 */
import { EXAMPLE, findEnvoyAdmin } from "../envoy/admin_address.ts";
import { type AdminAddress, adminAddressAt, type AdminAnswer } from "../envoy/admin_client.ts";
import { type Clock, sleep } from "../platform/clock.ts";
import { readerOf } from "../platform/files/process_view.ts";
import { commandLineOf } from "../platform/process/proc.ts";
import { envoyOf } from "./envoy_memory.ts";

const LOOK_MS = 100;
/** Longest wait for requests: of the 30 s that the original gives, 5 s are left from TERM to KILL. */
const LONGEST_MS = 25_000;
const OK = 200;
const ACTIVE = /^http\.(?!admin\.).*\.downstream_rq_active: (\d+)$/gm;

/** One request to the administration interface. */
type Ask = (method: string, path: string) => Promise<AdminAnswer>;

/** @param isOver there is no more waiting for it @returns what has come of it, for the log */
export async function leave(clock: Clock, ask: Ask, isOver: () => boolean): Promise<string> {
  for (const path of ["/healthcheck/fail", "/drain_listeners"]) {
    const failure = failureOf(await ask("POST", path));
    if (failure !== null) return `requests in flight will be cut: POST ${path}: ${failure}`;
  }
  const endMs = clock.now() + LONGEST_MS;
  for (; !isOver(); await sleep(clock, LOOK_MS)) {
    const active = activeIn(await ask("GET", "/stats?filter=downstream_rq_active"));
    if (typeof active === "string") return `requests in flight may be cut: GET /stats: ${active}`;
    if (active === 0) return "all requests are finished";
    if (clock.now() >= endMs) return `${active} requests are cut: they took too long`;
  }
  return "";
}

/** Why a request was refused; null: it was not. An Envoy may refuse paths (`allow_paths` of its `admin`). */
function failureOf(answer: AdminAnswer): string | null {
  if ("failure" in answer) return answer.failure;
  return answer.status === OK ? null : `status ${answer.status}`;
}

/** @returns requests in flight, or why that is not known */
function activeIn(answer: AdminAnswer): number | string {
  if ("failure" in answer || answer.status !== OK) return failureOf(answer) ?? "";
  return [...answer.body.matchAll(ACTIVE)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The address of an administration interface, or why it is not known. */
export type FoundAdmin = AdminAddress | string;

/** To be called when an Envoy has just become LIVE: its configuration may be another one later. */
export async function adminOf(pid: number): Promise<FoundAdmin> {
  const envoy = envoyOf(pid);
  if (envoy === null) return `process ${pid} has no memory of Envoy's hot restart`;
  const found = await findEnvoyAdmin(commandLineOf(envoy).slice(1), {
    read: readerOf(envoy),
    listensAt: () => true,
  });
  if ("place" in found) return adminAddressAt(found.place);
  return "later" in found
    ? found.later
    : `Envoy has no admin address that is known: add ${EXAMPLE}`;
}
