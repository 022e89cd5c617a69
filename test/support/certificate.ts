/** A certificate for a server of a test, and its key. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { TempDir } from "./temp_dir.ts";

/** @returns the environment of `fixtures/conversations.js` */
export function certificate(dir: TempDir): { TLS_KEY: string; TLS_CERT: string } {
  const [TLS_KEY, TLS_CERT] = [join(dir.path, "key.pem"), join(dir.path, "cert.pem")];
  const kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(
    " ",
  );
  const files = ["-keyout", TLS_KEY, "-out", TLS_CERT];
  // Deno's TLS takes no certificate of an authority for a server's.
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const use = ["-addext", "basicConstraints=critical,CA:FALSE"];
  execFileSync("openssl", [...kind, ...files, ...names, ...use], { stdio: "ignore" });
  return { TLS_KEY, TLS_CERT };
}
