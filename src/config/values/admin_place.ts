/** Values of the options of the admin API: where it is served, and by which names it is reached. Pure. */
import { UserError } from "./errors.ts";
import { type ListenSpec, parseListenSpec } from "./listen_spec.ts";

const EXAMPLE =
  "Use a port that only baton listens on, for example --admin 127.0.0.1:9901, or unix:/PATH";
const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/;

/** @throws {UserError} when it is not an address that baton can bind */
export function parseAdminPlace(text: string): ListenSpec {
  try {
    return parseListenSpec(text, 0);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(error.message, { remedy: EXAMPLE, cause: error });
  }
}

/** @returns the name as browsers send it: in lower case, without a port */
export function parseAdminHost(text: string): string {
  const name = text.trim().toLowerCase();
  if (HOST.test(name)) return name;
  throw new UserError(`Cannot use ${JSON.stringify(text)} as --admin-host: it is not a host name`, {
    remedy: "Write the name alone, without http:// and port: --admin-host web-1.example.com",
  });
}
