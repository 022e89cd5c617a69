/** A service with a page for the tests of that: its token, a switch that breaks the next start, and held requests. */
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type Baton, startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { fixtureCommand } from "./servers.ts";
import { tempDir } from "./temp_dir.ts";

export const TOKEN = "a-token-for-the-tests-of-the-page";
const HOST = "127.0.0.1";
/** The kernel's queue holds a few hundred. */
const AT_A_TIME = 100;

export interface PageService extends AsyncDisposable {
  readonly baton: Baton;
  /** URL of the admin address: "http://127.0.0.1:9000" */
  readonly url: string;
  break(): void;
  mend(): void;
  /** Opens so many connections with a request each, whose answers are held. */
  hold(count: number): Promise<HeldRequests>;
}

interface HeldRequests {
  /** Lets them be answered. @returns how many got the whole answer */
  release(): Promise<number>;
}

export async function startPageService(
  { withToken = true, flags = [] }: { withToken?: boolean; flags?: readonly string[] } = {},
): Promise<PageService> {
  const files = tempDir("page");
  const [port, admin] = [await freePort(), await freePort()];
  const tokenFile = files.write("token", `${TOKEN}\n`);
  chmodSync(tokenFile, 0o600);
  const broken = files.join("broken");
  const release = files.join("release");
  const access = withToken ? ["--admin-token-file", tokenFile] : [];
  const baton = await startBaton({
    command: fixtureCommand("held_answers.js"),
    env: { PORT: String(port), BROKEN: broken, RELEASE: release },
    flags: ["--admin", `${HOST}:${admin}`, ...access, ...flags],
  });
  return {
    baton,
    url: `http://${HOST}:${admin}`,
    break: () => writeFileSync(broken, ""),
    mend: () => rmSync(broken),
    hold: async (count) => {
      rmSync(release, { force: true });
      const answers: Promise<boolean>[] = [];
      while (answers.length < count) {
        const batch = Array.from(
          { length: Math.min(AT_A_TIME, count - answers.length) },
          () => request(port),
        );
        answers.push(...batch.map(({ answered }) => answered));
        await Promise.all(batch.map(({ sent }) => sent));
      }
      return {
        release: async () => {
          writeFileSync(release, "");
          return (await Promise.all(answers)).filter((isWhole) => isWhole).length;
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      await baton[Symbol.asyncDispose]();
      files[Symbol.dispose]();
    },
  };
}

function request(port: number): { sent: Promise<unknown>; answered: Promise<boolean> } {
  const socket: Socket = connect(port, HOST);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => text += chunk);
  const sent = new Promise((resolve) => {
    socket.once("error", resolve);
    socket.write("GET /hold HTTP/1.1\r\nHost: page\r\nConnection: close\r\n\r\n", resolve);
  });
  const answered = new Promise<boolean>((resolve) => {
    socket.once("close", () => resolve(/^HTTP\/1\.1 200 [^]*released/.test(text)));
    socket.on("error", () => {});
  });
  return { sent, answered };
}
