import { runCommand } from "../../test/support/baton.ts";
import { required, which } from "../../test/support/programs.ts";

export type Mode = "keep-alive" | "new connections";

const WRK_THREADS = 1;
const WRK_CONNECTIONS = 16;

/** Saturates the server at `port`. */
export async function wrk(
  port: number,
  mode: Mode,
  seconds: number,
  path = "/",
): Promise<{ perSecond: number; errors: number }> {
  const { code, stdout, stderr } = await runCommand([
    required("wrk", which("wrk")),
    `-t${WRK_THREADS}`,
    `-c${WRK_CONNECTIONS}`,
    `-d${seconds}s`,
    ...(mode === "keep-alive" ? [] : ["-H", "Connection: close"]),
    `http://127.0.0.1:${port}${path}`,
  ]);
  const perSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(stdout)?.[1]);
  if (code !== 0 || !(perSecond > 0)) throw new Error(`wrk failed: ${stdout}${stderr}`);
  const counts = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    stdout,
  );
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(stdout);
  const errors = [...counts?.slice(1) ?? [], refused?.[1] ?? "0"].map(Number);
  return { perSecond, errors: errors.reduce((sum, each) => sum + each, 0) };
}
