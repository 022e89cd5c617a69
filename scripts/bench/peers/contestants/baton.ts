/** A program under baton, in place of its own way to be replaced. */
import { batonCommand } from "../../../../test/support/baton.ts";
import type { Contestant, Installed, Place } from "../contestant.ts";
import { versionOf } from "../install.ts";
import { signalled } from "../own_process.ts";

export interface Wrapped {
  readonly program: string;
  /** What stands behind "baton, " in the row's name. */
  readonly name: string;
  readonly hasHttp2: boolean;
  /** Flags of `run`. */
  readonly flags?: readonly string[];
  readonly command: (place: Place) => readonly string[];
  readonly install: () => Promise<Pick<Installed, "deploy" | "bare" | "version">>;
}

export function wrapped(options: Wrapped): Contestant {
  const { program, name, hasHttp2, flags = [], command, install } = options;
  return {
    name,
    program,
    how: ["baton run", ...flags.map(quoted), "--; kill -HUP"].join(" "),
    hasHttp2,
    install: async () => {
      const { deploy, bare, version } = await install();
      return {
        version: `baton ${versionOf([...batonCommand(), "--version"])}, ${version}`,
        deploy,
        bare,
        start: (place) => {
          const run = ["run", "--name", "peer", "--runtime-dir", place.dir];
          const words = [
            ...batonCommand(),
            ...run,
            ...flags,
            "--",
            ...command(place),
          ];
          return Promise.resolve(signalled(place, words, { reload: "SIGHUP", stop: "SIGTERM" }));
        },
      };
    },
  };
}

function quoted(word: string): string {
  return /[\s$]/.test(word) ? `'${word}'` : word;
}
