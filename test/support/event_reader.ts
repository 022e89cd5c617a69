/** Reads the events of a running baton: `baton events --follow`, or server-sent events as a browser gets them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import type { Baton } from "./baton.ts";
import { batonCommand } from "./baton.ts";

export interface SeenEvent {
  readonly id: number;
  readonly event: string;
  readonly level?: string;
  readonly epoch?: number;
  readonly reason?: string;
}

/** A `baton events --follow` of its own; its end is its status. */
export class Follower implements AsyncDisposable {
  readonly seen: SeenEvent[] = [];
  readonly ended: Promise<number | null>;
  readonly #child;

  constructor(baton: Baton, ...words: string[]) {
    const [program = "", ...argv] = [...batonCommand(), "events", "web", "--follow", ...words];
    const stdio = ["ignore", "pipe", "inherit"] as const;
    const child = spawn(program, [...argv, "--runtime-dir", baton.dir.path], { stdio: [...stdio] });
    this.#child = child;
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.seen.push(JSON.parse(line));
    });
    this.ended = once(child, "close").then(([code]) => code);
  }

  get names(): string[] {
    return this.seen.map(({ event }) => event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** A client of `GET /v1/events` at the control socket. */
export async function openStream(
  baton: Baton,
  query = "",
): Promise<{ readonly response: IncomingMessage; close(): void }> {
  const sent = request({ socketPath: baton.socketPath, path: `/v1/events${query}` });
  sent.on("error", () => {});
  sent.end();
  const [response] = await once(sent, "response") as [IncomingMessage];
  response.on("error", () => {});
  return { response, close: () => sent.destroy() };
}

/** A receiver of webhooks, which answers what `answer` says; null: never. */
export async function receiver(answer: (count: number) => number | null): Promise<
  { readonly url: string; readonly got: SeenEvent[] } & AsyncDisposable
> {
  const got: SeenEvent[] = [];
  let count = 0;
  const server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
      const status = answer(++count);
      if (status === null) return;
      if (status < 300) got.push(JSON.parse(body));
      outgoing.writeHead(status).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    got,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
