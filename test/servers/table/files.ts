/** Files that several rows need. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import type { Place } from "../row.ts";

/** A document root with a page that says hello. */
export function index(at: Place): string {
  mkdirSync(`${at.dir}/www`, { recursive: true });
  at.write("www/index.html", "hello\n");
  return `${at.dir}/www`;
}

/** A folder that a server may write to, whoever it becomes. */
export function openFolder(at: Place, name: string): string {
  const path = `${at.dir}/${name}`;
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  return path;
}

/** Key and certificate in one file; OpenSSL makes them. */
export function certificate(at: Place): string {
  const [key, cert] = [`${at.dir}/key.pem`, `${at.dir}/cert.pem`];
  execFileSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=localhost",
    "-keyout",
    key,
    "-out",
    cert,
  ], { stdio: "ignore" });
  const both = execFileSync("cat", [key, cert], { encoding: "latin1" });
  const path = at.write("both.pem", both);
  chmodSync(path, 0o644);
  return path;
}
