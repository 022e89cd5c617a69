/** When the end of an answer is held back, so that the next request cannot come before the connection is paused again. */
import { describe, test } from "node:test";
import { type Part, play, SLIPPED } from "../../support/played_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

describe("the end of an answer", () => {
  const RELEASED: readonly Part[] = [
    ["sample", "idle pause"],
    ["send", GET],
    ["sample", "released resume"],
    ["holds-answer"],
  ];
  const CHUNKED = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const cases: [string, readonly Part[]][] = [
    ["is held back until the connection is paused again: proof", [
      ...RELEASED,
      ["take"],
      ["under-way"],
      ["sample", "answer_owed proven pause"],
      ["lets-answer"],
      ["acknowledge"],
      ["send", GET],
      ["sample", "boundary proven"],
    ]],
    ["is held back although the server takes its time", [
      ...RELEASED,
      ["sample", "released"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["holds-answer"],
      ["later", 1_000],
      ["sample", "answer_owed"],
      ["holds-answer"],
      ["under-way"],
      ["sample", "answer_owed proven"],
      ["lets-answer"],
    ]],
    ["is not held back when it may be that of an earlier request, which is no proof either", [
      ...RELEASED,
      ["under-way"],
      ["sample", "released"],
      ["lets-answer"],
      ["take"],
      ["sample", "answer_owed pause"],
    ]],
    ["is not held back when the request is read in parts and answered early", [
      ...RELEASED,
      ["take", 5],
      ["under-way"],
      ["sample", "reading"],
      ["lets-answer"],
    ]],
    ["is let go when the next request is there all the same", [
      ...RELEASED,
      ["take"],
      ["answer"],
      ["send", GET],
      ["sample", "answer_owed pause"],
      ["lets-answer"],
      ["sample", "released resume"],
      ["lets-answer"],
    ]],
    ["is held back the next time where baton came too late for it", [
      ...RELEASED,
      ["take"],
      ["answer"],
      ["send", GET],
      ["later", 150],
      ["sample", "answer_owed pause"],
      ["sample", "released resume"],
      ["holds-answer"],
    ]],
    ["is held back the next time but one, where following it failed too", [
      ...SLIPPED,
      ["sample", "released resume"],
      ["lets-answer"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["sample", "answer_owed pause"],
      ["sample", "released resume"],
      ["holds-answer"],
    ]],
    ["is let go when the client does not wait for it", [
      ...RELEASED,
      ["take"],
      ["sample", "answer_owed pause"],
      ["holds-answer"],
      ["send", GET],
      ["sample", "unmovable resume"],
      ["lets-answer"],
    ]],
    ["is not held back where the end of the request is unknown", [
      ["sample", "idle pause"],
      ["send", CHUNKED],
      ["sample", "released resume"],
      ["lets-answer"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});
