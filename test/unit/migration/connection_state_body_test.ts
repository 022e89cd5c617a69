/** A connection is moved between two requests, never within a body. */
import { describe, test } from "node:test";
import { type Part, play, PROVEN } from "../../support/played_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const POST = "POST / HTTP/1.1\r\nContent-Length: 60\r\n\r\n";

const BODY = `${GET}${"x".repeat(60 - GET.length)}`;

const CONTINUE = `POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: ${GET.length}\r\n\r\n`;

const CHUNKED = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("a body", () => {
  const cases: [string, readonly Part[]][] = [
    ["is never held, nor what looks like a request in it", [
      ["sample", "idle pause"],
      ["send", POST],
      ["sample", "released resume"],
      ["take"],
      ["sample", "reading"],
      ["send", BODY],
      ["sample", "reading"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["sample", "idle proven"],
    ]],
    ["in the middle of which baton starts is released, whatever it looks like", [
      ["send", POST],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", BODY.slice(0, 5)],
      ["sample", "reading resume"],
    ]],
    ["in the middle of which baton starts, and that looks like a request: released, not moved", [
      ["send", POST],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", "xxx"],
      ["sample", "reading resume"],
    ]],
    ["that looks like one request after the other: the connection stays", [
      ["send", POST],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "unmovable resume"],
    ]],
    ["that waits for 100-continue is not the next request", [
      ["sample", "idle pause"],
      ["send", CONTINUE],
      ["sample", "released resume"],
      ["take"],
      ["sample", "reading"],
      ["answer"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["sample", "idle proven"],
    ]],
    ["that looks like requests, whose 100-continue was not acknowledged yet", [
      ["send", CONTINUE],
      ["take"],
      ["under-way"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["acknowledge"],
      ["sample", "answer_owed"],
      ["send", GET],
      ["sample", "unmovable resume"],
    ]],
    ["that waits for 100-continue at the first sample is not moved", [
      ["send", CONTINUE],
      ["take"],
      ["answer"],
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
    ]],
    ["in chunks is followed to its answer, and proves nothing", [
      ["sample", "idle pause"],
      ["send", CHUNKED],
      ["sample", "released resume"],
      ["take"],
      ["sample", "reading"],
      ["send", "0\r\n\r\n"],
      ["sample", "reading"],
      ["take"],
      ["answer"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "released resume"],
    ]],
    ["that comes with its head, in parts", [
      ["sample", "idle pause"],
      ["send", POST + BODY.slice(0, 10)],
      ["sample", "released resume"],
      ["take"],
      ["sample", "reading"],
      ["send", BODY.slice(10)],
      ["take"],
      ["answer"],
      ["sample", "idle proven pause"],
    ]],
    ["of a held request moves with it", [
      ...PROVEN,
      ["send", POST],
      ["sample", "boundary proven"],
      ["send", BODY],
      ["sample", "boundary proven"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});
