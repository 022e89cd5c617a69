/**
 * Advice on a server that ends because its path exists. Clients find another generation there, or wait, so the path
 * cannot be away; and baton is not asked about calls that only look at a path (stat(2)). Pure.
 */
const EXISTS = /exist|in use|taken/i;

/** @param paths of the service @param output of a candidate that has ended @returns null: it did not say so */
export function existingPathAdvice(
  paths: readonly string[],
  output: readonly string[],
): string | null {
  const path = paths.find((each) =>
    output.some((line) => line.includes(each) && EXISTS.test(line))
  );
  if (path === undefined) return null;
  return `it seems to end where ${path} exists, which stays there for clients: give it the option to remove ` +
    "its path before it binds (socat: unlink-early)";
}
