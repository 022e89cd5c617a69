/**
 * What to do about a server that ends because its path exists. Its clients find another generation there, or wait, so the
 * path cannot be away; and that a server looks at a path (stat(2)) is not asked of baton. Pure.
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
