/** puma with two workers, by its own phased restart and by baton. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture } from "../../../../test/support/programs.ts";
import type { Contestant, Place } from "../contestant.ts";
import { need, versionOf } from "../install.ts";
import { signalled } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { deployFile } from "./version_file.ts";

const PROGRAM = "puma";

function command({ dir, port }: Place): string[] {
  const path = join(dir, "puma.rb");
  // A phased restart needs an application that is not loaded before the workers are forked.
  writeFileSync(
    path,
    [
      "workers 2",
      "threads 8, 8",
      "preload_app! false",
      'environment "production"',
      `bind "tcp://127.0.0.1:${port}"`,
      "",
    ].join("\n"),
  );
  return [need("puma"), "--config", path, fixture("peers/app.ru")];
}

const install = () =>
  Promise.resolve({
    version: `puma ${versionOf([need("puma"), "--version"])}`,
    deploy: deployFile,
    bare: command,
  });

export const PUMA: readonly Contestant[] = [
  {
    name: "its own phased restart",
    program: PROGRAM,
    how: "kill -USR1",
    hasHttp2: false,
    install: async () => ({
      ...await install(),
      start: (place) =>
        Promise.resolve(
          signalled(place, command(place), { reload: "SIGUSR1", stop: "SIGTERM" }),
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
