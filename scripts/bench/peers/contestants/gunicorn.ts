/** gunicorn with two workers of threads, by its own reload and by baton. */
import { join } from "node:path";
import { fixture } from "../../../../test/support/programs.ts";
import type { Contestant, Place } from "../contestant.ts";
import { fromPyPi } from "../install.ts";
import { signalled } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { deployFile } from "./version_file.ts";

const PROGRAM = "gunicorn";
const VERSION = "27.0.1";

function command({ port }: Place): string[] {
  const program = join(fromPyPi("gunicorn", VERSION), "bin", "gunicorn");
  const workers = ["--workers", "2", "--worker-class", "gthread", "--threads", "8"];
  const place = ["--chdir", fixture("peers"), "--bind", `127.0.0.1:${port}`];
  return [program, ...workers, "--no-control-socket", ...place, "app:app"];
}

function install() {
  fromPyPi("gunicorn", VERSION);
  return Promise.resolve({ version: `gunicorn ${VERSION}`, deploy: deployFile, bare: command });
}

export const GUNICORN: readonly Contestant[] = [
  {
    name: "its own reload",
    program: PROGRAM,
    how: "kill -HUP",
    hasHttp2: false,
    install: async () => ({
      ...await install(),
      start: (place) =>
        Promise.resolve(
          signalled(place, command(place), { reload: "SIGHUP", stop: "SIGTERM" }),
        ),
    }),
  },
  wrapped({ program: PROGRAM, name: "baton", hasHttp2: false, command, install }),
  wrapped({
    program: PROGRAM,
    name: "baton, migrating",
    hasHttp2: false,
    flags: ["--keep-alive", "migrate"],
    command,
    install,
  }),
];
