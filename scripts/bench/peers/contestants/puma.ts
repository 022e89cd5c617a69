/** puma with two workers, by its own phased restart and by baton. */
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture, which } from "../../../../test/support/programs.ts";
import type { Contestant, Place } from "../contestant.ts";
import { fromDebian, need, versionOf } from "../install.ts";
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
  return [...puma(), "--config", path, fixture("peers/app.ru")];
}

/** The machine's own, or Debian's, unpacked, with the Ruby that is installed. */
function puma(): string[] {
  const program = fromDebian("puma", ["puma", "ruby-nio4r", "ruby-rack"], "usr/bin/puma");
  if (program === which("puma")) return [program];
  const usr = join(program, "../..");
  const patterns = ["lib/*/rubygems-integration/*", "share/rubygems-integration/all"];
  const gems = globSync(patterns, { cwd: usr }).map((folder) => join(usr, folder));
  return ["env", `GEM_HOME=${usr}`, `GEM_PATH=${gems.join(":")}`, need("ruby"), program];
}

const install = () =>
  Promise.resolve({
    version: `puma ${versionOf([...puma(), "--version"])}`,
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
