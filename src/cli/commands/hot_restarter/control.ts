/** The control socket of `baton hot-restarter --guard`: `baton reload` and `baton stop`, in the shapes of a service's. */
import { ControlServer } from "../../../admin/control_server.ts";
import { NameLock } from "../../../admin/name_lock.ts";
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  servicePaths,
} from "../../../admin/paths.ts";
import type { ReloadReply, StopReply } from "../../../admin/replies.ts";
import { UserError } from "../../../config/values/errors.ts";
import type { Guard, Verdict } from "../../../hot_restarter/guard.ts";
import type { Platform } from "../../../platform/platform.ts";
import { EXIT_BUSY } from "../../console/exit_status.ts";

const STATUS_OF = { ok: 200, refused: 409, failed: 502 } as const;

const ONLY = "it is hot-restarter --guard, which answers reload and stop only: more needs --safe";

interface ControlOptions {
  readonly name: string;
  readonly runtimeDir: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly guard: Guard;
  /** What TERM does. */
  readonly stop: () => void;
  /** The exit status of this baton, when everything has ended. */
  readonly ended: Promise<number>;
}

export interface Control {
  /** Answers all clients that still wait. */
  close(): Promise<void>;
}

/** @throws {UserError} when the name is taken, or the directory cannot be used */
export async function openControl(platform: Platform, options: ControlOptions): Promise<Control> {
  const { name, runtimeDir, env } = options;
  const uid = platform.processes.userId();
  const directory = runtimeDirectory(runtimeDir, env, uid);
  const paths = servicePaths(directory, name);
  checkPathLength(directory, paths);
  prepareDirectory(directory, uid);
  const lock = await NameLock.take(platform, paths.lock, paths.socket);
  if (lock === null) {
    throw new UserError(`Cannot run "${name}": a baton with this name is already running`, {
      status: EXIT_BUSY,
      remedy: `Reload it: baton reload ${name}; or choose another name: --name`,
    });
  }
  const server = new ControlServer(
    platform,
    paths.socket,
    (request) => answer(platform, options, request),
  );
  return {
    close: async () => {
      await server.answerRemainingClients();
      server.close();
      lock.close();
    },
  };
}

async function answer(
  { runtime }: Platform,
  { name, guard, stop, ended }: ControlOptions,
  request: Request,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "GET /v1/status":
      // `baton stop` reads the first three fields, and other commands show the error.
      return Response.json({ name, pid: runtime.pid, incarnation: 0, error: ONLY });
    case "POST /v1/reload": {
      if (search !== "") {
        const error =
          "Envoy's own hand-over knows no canary, ramp, bake or order: that needs --safe";
        return Response.json({ error }, { status: 400 });
      }
      const report = reportOf(await guard.reload());
      return Response.json(report, { status: STATUS_OF[report.result] });
    }
    case "POST /v1/stop": {
      stop();
      const report: StopReply = { status: await ended, killed: [], left: [], cut: 0 };
      return Response.json(report);
    }
  }
  return Response.json({ error: ONLY }, { status: 404 });
}

function reportOf({ epoch, failure, serving, durationMs, output }: Verdict): ReloadReply {
  return {
    result: failure === null ? "ok" : epoch === null ? "refused" : "failed",
    reason: failure,
    durationMs,
    epoch,
    serving,
    output: [...output],
    outputIsDirect: false,
    outputSince: [],
    replaced: null,
    phases: [],
    connections: null,
    late: [],
    held: null,
    restored: null,
    sharedFiles: [],
    doubt: null,
    trial: null,
    postponed: [],
  };
}
