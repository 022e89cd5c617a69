import { type Baton, startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { place, server, type ServerId } from "../../../test/support/servers.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";

/** A baton with a server of test/support, for as long as `use` takes. */
export async function withServer<T>(
  id: ServerId,
  use: (baton: Baton, command: readonly string[], port: number) => Promise<T>,
  flags: readonly string[] = [],
): Promise<T> {
  using dir = tempDir("bench");
  const port = await freePort();
  const runnable = place(server(id), { port, workDir: dir.path });
  await using baton = await startBaton({ ...runnable, flags });
  return await use(baton, runnable.command, port);
}
