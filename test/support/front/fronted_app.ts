/** A service, and before it the front that `baton init envoy` has written for it: each is a baton's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { H2Load } from "../../../scripts/bench/peers/h2_load.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../baton.ts";
import { envoyProgram } from "../envoy.ts";
import { freePort } from "../free_port.ts";
import { fixtureCommand } from "../servers.ts";
import type { TempDir } from "../temp_dir.ts";
import { waitUntil } from "../wait_until.ts";
import { ask } from "./front_client.ts";

/** The service's baton.toml, with these lines in [front] besides. @returns its path */
export function configureFront(dir: TempDir, port: number, lines: string): string {
  const command = JSON.stringify(fixtureCommand("node_http.js"));
  const front = `eds = "${
    dir.join("f/eds.yaml")
  }"\nenvoy = "${envoyProgram().path}"\nlisten = "127.0.0.1:${port}"`;
  return dir.write(
    "baton.toml",
    `name = "app"\ncommand = ${command}\n[front]\n${front}\n${lines}\n`,
  );
}

export class FrontedApp implements AsyncDisposable {
  constructor(readonly app: Baton, readonly front: Baton, readonly port: number) {}

  /** @param lines of [front] @param flags of the service's baton */
  static async start(
    dir: TempDir,
    lines: string,
    flags: readonly string[] = [],
  ): Promise<FrontedApp> {
    const [port, behind] = [await freePort(), await freePort()];
    const file = configureFront(dir, port, lines);
    const made = await runCommand([...batonCommand(), "init", "envoy", "--config", file]);
    assert.equal(made.code, 0, made.stderr);
    const service = dir.join("f/baton.toml");
    const { values } = parseConfigText(readFileSync(service, "utf8"), service);
    const command = values.get("command") as string[];
    const front = await startBaton({
      command,
      name: "app-front",
      flags: ["--config", service],
      env: {},
    });
    const env = { PORT: String(behind) };
    const app = await startBaton({
      command: fixtureCommand("node_http.js"),
      name: "app",
      flags: ["--config", file, ...flags],
      env,
    });
    await waitUntil(async () => (await rawStatus(port, lines)) === 200, {
      what: "the front serves",
    });
    return new FrontedApp(app, front, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.front[Symbol.asyncDispose]();
    await this.app[Symbol.asyncDispose]();
  }
}

async function rawStatus(port: number, lines: string): Promise<number> {
  if (!lines.includes("certificate")) return (await ask(port)).status;
  const load = new H2Load({
    port,
    connections: 1,
    streams: 1,
    thinkTimeMs: 20,
    timeoutMs: 5_000,
    tls: true,
    onAnswer: () => {},
  });
  await waitUntil(() => load.tally.ok + load.tally.lost > 0, { what: "an answer" });
  return (await load.stop()).lost === 0 ? 200 : 0;
}
