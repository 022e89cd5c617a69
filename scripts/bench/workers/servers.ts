/** The server of these measurements (test/fixtures/worker_http.*), under baton, and one request to it. */
import { request } from "node:http";
import { type Baton, startBaton } from "../../../test/support/baton.ts";
import { fixtureCommand } from "../../../test/support/servers.ts";

export type Language = "node" | "python";

const REQUEST_TIMEOUT_MS = 20_000;

export function commandOf(language: Language): string[] {
  return fixtureCommand(language === "node" ? "worker_http.js" : "worker_http.py");
}

export async function startWorkers(
  language: Language,
  port: number,
  count: number,
  flags: readonly string[] = [],
): Promise<Baton> {
  return await startBaton({
    command: commandOf(language),
    env: { PORT: String(port) },
    flags: ["--workers", String(count), ...flags],
  });
}

/** One request on a connection of its own. @returns the pid of the process that answered */
export function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(String(response.headers["x-pid"])));
      response.on("error", reject);
    });
    sent.setTimeout(REQUEST_TIMEOUT_MS, () => sent.destroy(new Error("timed out")));
    sent.on("error", reject);
    sent.end();
  });
}
