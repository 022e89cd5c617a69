/**
 * Answers the probes of a kubelet or a load balancer, over HTTP on baton's own TCP port, so that they do not count as
 * traffic of the service: GET or HEAD of /startupz, /readyz and /livez, 200 or 503. Another handler may serve more
 * paths, and respond later.
 *
 * Probes reveal and change nothing else, so there is no authentication. Bounded like the control socket (`HttpPort`).
 */
import type { ProbeReport } from "../report/snapshot.ts";
import type { FetchHandler } from "./http_connection.ts";

const PROBES = { "/startupz": "started", "/readyz": "ready", "/livez": "live" } as const;

/** @returns status and text for a path; pure */
export function answerProbe(
  method: string,
  path: string,
  report: ProbeReport,
): { readonly status: number; readonly text: string } {
  const field = Object.hasOwn(PROBES, path) ? PROBES[path as keyof typeof PROBES] : undefined;
  if (field === undefined) {
    return { status: 404, text: `not found; try ${Object.keys(PROBES).join(", ")}` };
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, text: "use GET" };
  if (report[field]) return { status: 200, text: "ok" };
  return { status: 503, text: `not ${field}${report.why === "" ? "" : `: ${report.why}`}` };
}

/** Answers probes from the current `report`. */
export function probeHandler(report: () => ProbeReport): FetchHandler {
  return ({ method, url }) => {
    const { status, text } = answerProbe(method, new URL(url).pathname, report());
    return plainText(status, method === "HEAD" ? null : text);
  };
}

/** @param text one line; null: no body */
export function plainText(status: number, text: string | null): Response {
  const body = text === null ? null : `${text}\n`;
  return new Response(body, { status, headers: { "content-type": "text/plain" } });
}
