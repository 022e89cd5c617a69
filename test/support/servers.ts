/**
 * The ten real servers that the promises are tested with: how each is started, and what it needs.
 *
 * None of them knows baton or has a special socket option. `place()` is the short way: it prepares the server in a
 * work folder and gives its command and environment. A later `place()` with another version is a deploy.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildGo,
  buildJava,
  findBun,
  findDeno,
  findNode,
  findPython,
  fixture,
  FIXTURES,
  required,
  which,
} from "./programs.ts";

export { fixture } from "./programs.ts";

export type ServerId =
  | "node"
  | "bun"
  | "deno"
  | "go"
  | "python"
  | "gunicorn"
  | "uvicorn"
  | "nginx"
  | "puma"
  | "java";

export interface Placement {
  readonly port: number;
  /** For what the server writes; must exist. */
  readonly workDir: string;
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** What it answers as `version=`. @default "1" */
  readonly version?: string;
}

export interface RealServer {
  readonly id: ServerId;
  /** Whether it ends requests in flight by itself on its stop signal; measured. */
  readonly graceful: boolean;
  /** Whether it keeps connections open for more requests (HTTP/1.1 keep-alive); measured. */
  readonly keepsAlive: boolean;
  /** Whether `GET /slow?ms=N` takes N ms. */
  readonly slow: boolean;
  /** The command line; no shell and no wrapper process. */
  command(port: number, workDir: string, host?: string): string[];
  /** What it needs in its environment, over the test's own. */
  env(port: number, host?: string, version?: string): Record<string, string>;
  /** Why it cannot run here, or null. */
  needs(): string | null;
  /** Builds or writes what the command line names; call it before, and again for another version. */
  prepare?(placement: Placement): void;
}

const DEFAULT_HOST = "127.0.0.1";

function environment(port: number, host = DEFAULT_HOST, version = "1"): Record<string, string> {
  return { PORT: String(port), HOST: host, VERSION: version, PYTHONDONTWRITEBYTECODE: "1" };
}

function missing(what: string, path: string | null): string | null {
  return path === null ? `${what} is not installed` : null;
}

function address(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export const SERVERS: readonly RealServer[] = [
  {
    id: "node",
    graceful: false,
    keepsAlive: true,
    slow: true,
    command: () => [required("node", findNode()), fixture("node_http.js")],
    env: environment,
    needs: () => missing("node", findNode()),
  },
  {
    id: "bun",
    graceful: false,
    keepsAlive: true,
    slow: true,
    command: () => [required("bun", findBun()), fixture("bun_serve.ts")],
    env: environment,
    needs: () => missing("node_modules/.bin/bun", findBun()),
  },
  {
    id: "deno",
    graceful: false,
    keepsAlive: true,
    slow: true,
    command: () => [
      required("deno", findDeno()),
      "run",
      "--no-config",
      "--no-lock",
      "--cached-only",
      "--allow-net",
      "--allow-env",
      fixture("deno_serve.ts"),
    ],
    env: (port, host, version) => ({
      ...environment(port, host, version),
      DENO_NO_UPDATE_CHECK: "1",
    }),
    needs: () => missing("deno (in $DENO, PATH or npx)", findDeno()),
  },
  {
    id: "go",
    graceful: false,
    keepsAlive: true,
    slow: true,
    command: () => [buildGo()],
    env: environment,
    needs: () => missing("go", which("go")),
    prepare: () => void buildGo(),
  },
  {
    id: "python",
    graceful: false,
    keepsAlive: false,
    slow: true,
    command: () => [required("python3", findPython()), fixture("python_threaded.py")],
    env: environment,
    needs: () => missing("python3", findPython()),
  },
  {
    id: "gunicorn",
    graceful: true,
    keepsAlive: false,
    slow: true,
    command: (port, _workDir, host = DEFAULT_HOST) => [
      required("gunicorn", which("gunicorn")),
      "--workers",
      "2",
      "--chdir",
      FIXTURES,
      "--bind",
      address(host, port),
      "wsgi_app:app",
    ],
    env: environment,
    needs: () => missing("gunicorn", which("gunicorn")),
  },
  {
    id: "uvicorn",
    graceful: true,
    keepsAlive: true,
    slow: true,
    command: (port, _workDir, host = DEFAULT_HOST) => [
      required("uvicorn", which("uvicorn")),
      "--app-dir",
      FIXTURES,
      "--host",
      host,
      "--port",
      String(port),
      "--no-access-log",
      "asgi_app:app",
    ],
    env: environment,
    needs: () => missing("uvicorn", which("uvicorn")),
  },
  {
    id: "nginx",
    graceful: true,
    keepsAlive: true,
    slow: false,
    command: (_port, workDir) => [
      required("nginx", which("nginx")),
      "-p",
      workDir,
      "-e",
      join(workDir, "error.log"),
      "-c",
      join(workDir, "nginx.conf"),
    ],
    env: environment,
    needs: () => missing("nginx", which("nginx")),
    prepare: ({ port, workDir, host = DEFAULT_HOST, version = "1" }) => {
      const text = readFileSync(fixture("nginx.conf.template"), "utf8")
        .replaceAll("@WORK_DIR@", workDir)
        .replaceAll("@ADDRESS@", address(host, port))
        .replaceAll("@VERSION@", version);
      replaceFile(join(workDir, "nginx.conf"), text);
    },
  },
  {
    id: "puma",
    graceful: true,
    keepsAlive: true,
    slow: true,
    command: (port, _workDir, host = DEFAULT_HOST) => [
      required("puma", which("puma")),
      "--config",
      "-",
      "--environment",
      "production",
      "--threads",
      "8:8",
      "--bind",
      `tcp://${address(host, port)}`,
      fixture("puma_config.ru"),
    ],
    env: environment,
    needs: () => missing("puma", which("puma")),
  },
  {
    id: "java",
    graceful: false,
    keepsAlive: true,
    slow: true,
    command: () => [
      required("java", which("java")),
      "-Xmx64m",
      "-XX:+UseSerialGC",
      "-cp",
      buildJava(),
      "JavaHttpServer",
    ],
    env: environment,
    needs: () => missing("java", which("java")) ?? missing("javac", which("javac")),
    prepare: () => void buildJava(),
  },
];

/** @throws {RangeError} when there is no such server. */
export function server(id: ServerId): RealServer {
  const found = SERVERS.find((each) => each.id === id);
  if (found === undefined) throw new RangeError(`Cannot find server "${id}"`);
  return found;
}

/** A program ready to be started. */
export interface Runnable {
  readonly command: string[];
  readonly env: Record<string, string>;
}

/** Prepares the server and gives its command and environment. */
export function place(which: RealServer, placement: Placement): Runnable {
  const { port, workDir, host, version } = placement;
  which.prepare?.(placement);
  return { command: which.command(port, workDir, host), env: which.env(port, host, version) };
}

/** The command of one of the small fixtures, by its file name: .js by node, .py by python3, .sh by sh. */
export function fixtureCommand(name: string, ...argv: string[]): string[] {
  const path = fixture(name);
  if (name.endsWith(".py")) return [required("python3", findPython()), path, ...argv];
  if (name.endsWith(".sh")) return ["sh", path, ...argv];
  return [required("node", findNode()), path, ...argv];
}

/**
 * Deploys: writes the $TARGET_FILE of switch.sh, which the next start of it becomes.
 * Replaced by rename, so that a start at that moment sees the old or the new one.
 */
export function deploy(targetFile: string, { command, env }: Runnable): void {
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const words = assignments.length === 0 ? command : ["env", ...assignments, ...command];
  replaceFile(targetFile, words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" "));
}

function replaceFile(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
