/**
 * Who may do what at the address of --admin. Pure.
 *
 * Reading is open to all who can connect. Changing something takes a bearer token (RFC 6750). Two headers are checked
 * before that, because a browser may be made to send requests by any page that its user looks at: Host, since a name of an
 * attacker's may lead to this address (DNS rebinding), and Origin, which names the page. Programs send neither a foreign
 * Host nor an Origin.
 */

export interface AccessRequest {
  readonly method: string;
  readonly host: string | null;
  readonly origin: string | null;
  readonly authorization: string | null;
}

export interface AccessRules {
  /** Names of this address, besides IP addresses and localhost (--admin-host). */
  readonly hosts: readonly string[];
  /**
   * Whether the address is a Unix socket: no browser connects there, and what a proxy puts into Host is the proxy's
   * business.
   */
  readonly isLocal: boolean;
  /**
   * Checks a token: null for a good one, else why it is refused. The whole is null: there is no token, so nothing can
   * be changed.
   */
  readonly refuseToken: ((given: string) => TokenRefusal | null) | null;
}

export interface TokenRefusal {
  readonly status: 401 | 503;
  readonly why: string;
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 503;
  readonly error: string;
  /** In a 401: what the client must send. */
  readonly challenge?: string;
}

/** Methods that change nothing. */
export const READING: readonly string[] = ["GET", "HEAD"];
const BEARER = /^Bearer +([\x21-\x7e]+)$/i;
const CHALLENGE = 'Bearer realm="baton"';
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;

/** @returns null when the request may be answered */
export function refusalOf(request: AccessRequest, rules: AccessRules): Refusal | null {
  return (rules.isLocal ? null : refusePage(request, rules.hosts)) ??
    (READING.includes(request.method) ? null : refuseChange(request, rules.refuseToken));
}

/**
 * On the control socket, whose peers the kernel has checked: a browser gets there by a forwarded port (ssh -L), and any page
 * may make it send requests there. Programs write into Host what they like, which is hardly a name with a dot.
 */
export function refusalOfForwarded(
  request: Pick<AccessRequest, "host" | "origin">,
  hosts: readonly string[],
): Refusal | null {
  const name = nameIn(request.host ?? "");
  return refusePage(request, name.includes(".") ? hosts : [...hosts, name]);
}

function refusePage(
  { host, origin }: Pick<AccessRequest, "host" | "origin">,
  hosts: readonly string[],
): Refusal | null {
  // A request of HTTP/1.0 may have no Host, and no browser speaks that.
  if (host !== null && !isKnownHost(host, hosts)) {
    const error =
      `the host ${JSON.stringify(host)} is not known here: use an address or localhost, ` +
      "or allow the name with --admin-host";
    return { status: 403, error };
  }
  if (origin === null || origin.toLowerCase() === `http://${host ?? ""}`.toLowerCase()) return null;
  // The page's own address, behind a proxy that speaks TLS.
  if (origin.toLowerCase() === `https://${host ?? ""}`.toLowerCase()) return null;
  return { status: 403, error: `requests of the page ${JSON.stringify(origin)} are refused` };
}

function isKnownHost(host: string, hosts: readonly string[]): boolean {
  const name = nameIn(host);
  return name === "localhost" || ADDRESS.test(name) ||
    hosts.some((known) => known.toLowerCase() === name);
}

function nameIn(host: string): string {
  return host.toLowerCase().replace(/:\d{1,5}$/, "");
}

function refuseChange(
  { authorization }: AccessRequest,
  refuseToken: AccessRules["refuseToken"],
): Refusal | null {
  if (refuseToken === null) {
    const error = "this address is read-only: start baton with --admin-token-file, or use the " +
      "control socket";
    return { status: 403, error };
  }
  const given = BEARER.exec(authorization ?? "")?.[1];
  if (given === undefined) {
    const error =
      "this takes a token: send Authorization: Bearer TOKEN, one that is in the file of " +
      "--admin-token-file";
    return { status: 401, error, challenge: CHALLENGE };
  }
  const refused = refuseToken(given);
  if (refused === null) return null;
  const challenge = `${CHALLENGE}, error="invalid_token"`;
  return {
    status: refused.status,
    error: refused.why,
    ...refused.status === 401 ? { challenge } : {},
  };
}
