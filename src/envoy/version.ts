/** Which Envoy one is, by what it says itself ("REVISION/1.40.0/Clean/RELEASE/BoringSSL"), and whether baton knows it. Pure. */

/** The oldest version of Envoy that fronts are tried with: docs/envoy.md. */
const OLDEST = [1, 36] as const;

/** @param text of `envoy --version`, or of `GET /server_info` @returns "1.40.0"; null: it does not say so */
export function envoyVersionIn(text: string): string | null {
  return /\b[0-9a-f]{7,40}\/(\d+\.\d+\.\d+)[^/\s]*\//.exec(text)?.[1] ?? null;
}

/** @returns that it is too old, in words; null: it is not, or that is not known */
export function envoyAge(version: string | null): string | null {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST;
  const isOld = major < oldestMajor || major === oldestMajor && minor < oldestMinor;
  if (version === null || !isOld) return null;
  return `it is Envoy ${version}, and fronts are tried with ${OLDEST.join(".")} and later`;
}
