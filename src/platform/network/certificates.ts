/**
 * The certificates that addresses of https are checked against: those of the machine, as other programs on it use them.
 * The compiled binary hides the environment from its runtime (scripts/binary/), so it would know only the list that it
 * brings along, and no authority of a company.
 */
import { errorText } from "../error.ts";
import { readRegularFile } from "../files/regular_file.ts";

/**
 * Bundles of certificates, as Go's crypto/x509 looks for them: of Debian and Alpine; Fedora and its kin; SUSE; others.
 */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** @returns PEM; null: there are none, and the runtime's own list counts @throws {Error} where SSL_CERT_FILE cannot be read */
export function trustedCertificates(env: Readonly<Record<string, string>>): string | null {
  const named = env["SSL_CERT_FILE"];
  if (named) return readFile(named);
  for (const path of BUNDLES) {
    try {
      return text(path);
    } catch {
      // This bundle is not there: the next one is tried.
    }
  }
  return null;
}

function text(path: string): string {
  return new TextDecoder().decode(readRegularFile(path));
}

function readFile(path: string): string {
  try {
    return text(path);
  } catch (error) {
    throw new Error(`Cannot read the certificates in ${path} (SSL_CERT_FILE): ${errorText(error)}`);
  }
}
