/**
 * Reads what `bun test` and `deno test` write as JUnit XML, and counts it the same way for both: a
 * test is what has no tests in it. (Deno also reports each `describe` as a test, and its tests as
 * steps: counting both would be counting twice.)
 */

export interface TestResult {
  /** With the names of the groups it is in: "group > test". */
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
}

interface Case {
  readonly name: string;
  status: TestResult["status"];
}

const SEPARATOR = " > ";
const TAG = /<(\/?)(testsuites|testsuite|testcase|skipped|failure|error)\b([^>]*?)(\/?)>/g;

/** @param xml one runner's report on one file */
export function readJunit(xml: string): TestResult[] {
  const cases: Case[] = [];
  /** Names of the open groups: the first is the file's. */
  const groups: string[] = [];
  for (const [, closing, tag, attributes = "", empty] of xml.matchAll(TAG)) {
    if (tag === "testsuite") {
      if (closing) groups.pop();
      else if (!empty) groups.push(nameIn(attributes));
    } else if (tag === "testcase" && !closing) {
      const name = [...groups.slice(1), nameIn(attributes)].join(SEPARATOR);
      cases.push({ name, status: "passed" });
    } else if (tag !== "testsuites" && !closing) {
      const last = cases.at(-1);
      if (last !== undefined) last.status = tag === "skipped" ? "skipped" : "failed";
    }
  }
  return cases.filter((each) => {
    const inner = cases.filter(({ name }) => name.startsWith(each.name + SEPARATOR));
    // A group that failed though nothing in it did: a hook.
    const failedItself = each.status === "failed" &&
      !inner.some(({ status }) => status === "failed");
    return inner.length === 0 || failedItself;
  });
}

function nameIn(attributes: string): string {
  const text = /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "";
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'").replaceAll("&amp;", "&");
}
