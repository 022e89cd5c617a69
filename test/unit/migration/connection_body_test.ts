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
    ["is never held back, nor what looks like a request in it", [
      ["look", "rest pause"],
      ["send", POST],
      ["look", "open open"],
      ["take"],
      ["look", "reading"],
      ["send", BODY],
      ["look", "reading"],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["look", "rest proven"],
    ]],
    ["in which baton came in is let in, whatever it looks like", [
      ["send", POST],
      ["take"],
      ["look", "owed pause"],
      ["send", BODY.slice(0, 5)],
      ["look", "reading open"],
    ]],
    ["in which baton came in, and that looks like a request: let in, not moved", [
      ["send", POST],
      ["take"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["send", "xxx"],
      ["look", "reading open"],
    ]],
    ["that looks like one request after the other: the connection stays", [
      ["send", POST],
      ["take"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "unfit open"],
    ]],
    ["that waits for 100-continue is not the next request", [
      ["look", "rest pause"],
      ["send", CONTINUE],
      ["look", "open open"],
      ["take"],
      ["look", "reading"],
      ["answer"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["look", "rest proven"],
    ]],
    ["that looks like requests, whose 100-continue was not acknowledged yet", [
      ["send", CONTINUE],
      ["take"],
      ["under-way"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["acknowledge"],
      ["look", "owed"],
      ["send", GET],
      ["look", "unfit open"],
    ]],
    ["that waits for 100-continue at the first look is not moved", [
      ["send", CONTINUE],
      ["take"],
      ["answer"],
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
    ]],
    ["in chunks is followed to its answer, and proves nothing", [
      ["look", "rest pause"],
      ["send", CHUNKED],
      ["look", "open open"],
      ["take"],
      ["look", "reading"],
      ["send", "0\r\n\r\n"],
      ["look", "reading"],
      ["take"],
      ["answer"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "open open"],
    ]],
    ["that comes with its head, in parts", [
      ["look", "rest pause"],
      ["send", POST + BODY.slice(0, 10)],
      ["look", "open open"],
      ["take"],
      ["look", "reading"],
      ["send", BODY.slice(10)],
      ["take"],
      ["answer"],
      ["look", "rest proven pause"],
    ]],
    ["of a request that is held goes with it", [
      ...PROVEN,
      ["send", POST],
      ["look", "boundary proven"],
      ["send", BODY],
      ["look", "boundary proven"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});
