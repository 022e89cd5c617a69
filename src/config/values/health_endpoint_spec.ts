/** `PATH[,pass-through[=PORT]][,cache=TIME][,min-healthy=PERCENT]` of --probe-health. Pure. */
import { parseDuration } from "./duration.ts";
import { UserError } from "./errors.ts";

/** Envoy's three modes: baton answers, the server answers, or the server answers once in `cacheMs`. */
interface HealthEndpointSpec {
  readonly path: string;
  /** Null: baton itself answers. */
  readonly passThrough: { readonly port: number | null; readonly cacheMs: number } | null;
  /** Least share of the workers that must serve. */
  readonly minHealthyPercent: number;
}

const EXAMPLE = "Write, for example, /healthcheck, /healthcheck,min-healthy=50%, " +
  "/healthcheck,pass-through or /healthcheck,pass-through=8080,cache=5s";
const PATH = /^\/[\x21-\x2b\x2d-\x7e]{0,199}$/;
const PROBES: readonly string[] = ["/startupz", "/readyz", "/livez"];
const MAX_PORT = 65_535;

/** @throws {UserError} */
export function parseHealthEndpoint(text: string): HealthEndpointSpec {
  const refuse = (why: string) =>
    new UserError(`Cannot use ${JSON.stringify(text)} for --probe-health: ${why}`, {
      remedy: EXAMPLE,
    });
  const [path = "", ...settings] = text.trim().split(",");
  if (!PATH.test(path)) throw refuse("it must begin with a path");
  if (/[?#]/.test(path)) throw refuse("no request has a path with ? or # in it");
  if (PROBES.includes(path)) throw refuse(`${path} is a probe of its own`);
  const given = new Map(settings.map((setting) => {
    const at = setting.indexOf("=");
    return at < 0 ? [setting, ""] as const : [setting.slice(0, at), setting.slice(at + 1)] as const;
  }));
  const known = ["pass-through", "cache", "min-healthy"];
  const unknown = [...given.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw refuse(`${JSON.stringify(unknown)} is not one of ${known.join(", ")}`);
  }
  if (given.size < settings.length) throw refuse("a setting is given twice");
  const [passes, cache, share] = known.map((key) => given.get(key));
  if (passes === undefined && cache !== undefined) throw refuse("cache needs pass-through");
  if (passes !== undefined && share !== undefined) {
    throw refuse("with pass-through the server answers, and min-healthy has no effect");
  }
  const port = passes === undefined || passes === "" ? null : Number(passes);
  const isPort = port === null || (/^\d+$/.test(passes ?? "") && port > 0 && port <= MAX_PORT);
  if (!isPort) throw refuse(`${JSON.stringify(passes)} is not a port`);
  const percent = Number((share ?? "0").replace(/%$/, ""));
  if (!(percent >= 0 && percent <= 100)) {
    throw refuse(`${JSON.stringify(share)} is not a percentage`);
  }
  return {
    path,
    passThrough: passes === undefined ? null : { port, cacheMs: parseDuration(cache ?? "0") },
    minHealthyPercent: percent,
  };
}
