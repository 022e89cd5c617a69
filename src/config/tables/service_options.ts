/** The options of the service itself, and of its workers (docs/workers.md). */
import {
  atOnce,
  choice,
  flag,
  intOrAuto,
  matching,
  nextGeneration,
  parsed,
  restart,
  text,
  withBytes,
} from "../option_makers.ts";
import { parsePresetName } from "../presets.ts";
import { MAX_WORKERS } from "../../lifecycle/limits.ts";

const RESTART_EPOCH = choice(
  ["count", "0"],
  "count",
  "RESTART_EPOCH in the environment of the server: count is " +
    "the number of the generation; 0 is for Envoy's start scripts, which so leave the handoff to " +
    "baton (baton hot-restarter --safe).",
);

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const SERVICE = {
  name: restart("the control socket and the lock have it in their names", parsed("NAME", "Name of the service, which the other commands use to address it. By " +
    "default the name of the program, or of the script that an interpreter runs.",
    matching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/,
      "1 to 63 letters, digits, '_', '.' or '-', and not begin with '.' or '-'"))),
  cwd: nextGeneration(withBytes(text("DIR", "Working directory of the server, resolved again for each " +
    "generation, so that a symbolic link may move to the next release."))),
  envFile: nextGeneration(withBytes(text("FILE", "File with KEY=VALUE lines for the environment of the " +
    "server, read again for each generation."))),
  preset: nextGeneration(parsed("PROGRAM", "What the server is, where its command line does not show that: a start " +
    "script that becomes envoy, nginx or another program of docs/presets.md.", parsePresetName)),
  restartEpoch: nextGeneration({
    ...RESTART_EPOCH,
    json: { enum: ["count", "0", 0] },
    read: (raw: unknown) => RESTART_EPOCH.read(raw === 0 ? "0" : raw),
  }),
  /** 0: one for each processor that this process may use. */
  workers: nextGeneration(intOrAuto(1, [1, MAX_WORKERS], "Run this many processes of the server in each " +
    "generation, each with listeners of its own; auto: one for each processor that baton may " +
    "use. {worker} in the command and BATON_WORKER tell them apart, from 0 on (docs/workers.md).")),
  runtimeDir: restart("the control socket and the lock are there", text("DIR", "Directory of the control socket and the lock. By default " +
    "RUNTIME_DIRECTORY, else /run/baton for root, XDG_RUNTIME_DIR/baton for others.")),
  pidfile: restart("it is written when baton starts", text("FILE",
    "Write the process id of baton to this file. A reload does not change it.")),
  serverPidfile: text("FILE", "The server's own pid file: it names the serving process at every " +
    "moment, though old generations remove it at their end. By default the one that the " +
    "command of a known server names (docs/presets.md). none: leave it to the server."),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const WORKERS = {
  spread: restart("it is part of what steers the connections of all generations", choice(["random", "least", "cpu"], "random", "How new connections are spread over the " +
    "workers, or over the listeners of a server that has several: random, each has the same " +
    "chance; least, not to those whose accept queue is longer than the others'; cpu, by the " +
    "processor that a connection comes in on. UDP: always by the client's address and port.")),
  rolling: atOnce(flag("At a reload replace the workers one by one, so that memory grows by one worker " +
    "only. If a new one fails, the old generation gets its full number again.")),
};
