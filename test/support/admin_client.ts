/** Requests to the admin API, by either of its doors. */
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import type { TempDir } from "./temp_dir.ts";
import { DEFAULT_DEADLINE_MS } from "./wait_until.ts";

export const TOKEN = "0123456789abcdef0123456789abcdef";

/** Where the API is: a port, or the path of a Unix socket. */
export type Door = { readonly port: number } | { readonly socketPath: string };

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** @throws when there is no answer */
export function askAdmin(
  door: Door,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<AdminAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<AdminAnswer>();
  let heard = "nothing";
  const limit = setTimeout(
    () => reject(new Error(`${method} ${path}: no answer in time, heard ${heard}`)),
    DEFAULT_DEADLINE_MS,
  );
  const place = "port" in door ? { host: "127.0.0.1", port: door.port } : door;
  const sent = request({ ...place, method, path, headers, agent: false }, (response) => {
    heard = `status ${response.statusCode}`;
    const chunks: Uint8Array[] = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () => {
      const text = new TextDecoder().decode(Buffer.concat(chunks));
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    response.on("error", reject);
  });
  sent.on("error", reject);
  sent.end();
  return promise.finally(() => clearTimeout(limit));
}

export const BEARER = { authorization: `Bearer ${TOKEN}` };

/** @returns the path of a file of tokens that only its owner can read */
export function tokenFile(dir: TempDir): string {
  const path = dir.join("token");
  writeFileSync(path, `${TOKEN}\n`, { mode: 0o600 });
  return path;
}

/** The operations of an OpenAPI document. */
export function operationsOf(document: string): { method: string; path: string }[] {
  const { paths } = JSON.parse(document) as { paths: Record<string, Record<string, unknown>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path }))
  );
}
