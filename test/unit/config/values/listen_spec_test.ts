/** `--listen` values: every accepted spelling, and a reason for every refused one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";
import {
  checkListeners,
  type ListenSpec,
  parseListenSpec,
  parseOwnAddress,
} from "../../../../src/config/values/listen_spec.ts";

/** name, host, port, v6only, text; the family follows from the text. */
type Expected = [string, string, number, boolean, string];

describe("parseListenSpec()", () => {
  const valid: [string, Expected][] = [
    ["8080", ["listen2", "0.0.0.0", 8080, false, "0.0.0.0:8080"]],
    [":8080", ["listen2", "0.0.0.0", 8080, false, "0.0.0.0:8080"]],
    ["0.0.0.0:80", ["listen2", "0.0.0.0", 80, false, "0.0.0.0:80"]],
    ["127.0.0.1:1", ["listen2", "127.0.0.1", 1, false, "127.0.0.1:1"]],
    ["localhost:80", ["listen2", "127.0.0.1", 80, false, "127.0.0.1:80"]],
    ["LOCALHOST:80", ["listen2", "127.0.0.1", 80, false, "127.0.0.1:80"]],
    ["*:65535", ["listen2", "::", 65535, false, "[::]:65535"]],
    ["[::]:80", ["listen2", "::", 80, false, "[::]:80"]],
    ["[0:0:0:0:0:0:0:0]:80", ["listen2", "::", 80, false, "[::]:80"]],
    ["[::1]:80", ["listen2", "::1", 80, true, "[::1]:80"]],
    ["[2001:DB8:0:0::1]:80", ["listen2", "2001:db8::1", 80, true, "[2001:db8::1]:80"]],
    ["web=8080", ["web", "0.0.0.0", 8080, false, "0.0.0.0:8080"]],
    ["a.b-c_1=[::1]:443", ["a.b-c_1", "::1", 443, true, "[::1]:443"]],
    ["tcp://127.0.0.1:80", ["listen2", "127.0.0.1", 80, false, "127.0.0.1:80"]],
    ["TCP://[::1]:80", ["listen2", "::1", 80, true, "[::1]:80"]],
    ["web=tcp://*:80", ["web", "::", 80, false, "[::]:80"]],
    [" 8080 ", ["listen2", "0.0.0.0", 8080, false, "0.0.0.0:8080"]],
  ];
  for (const [text, [name, host, port, v6only, address]] of valid) {
    it(`reads "${text}" as ${name} at ${address}`, () => {
      const family = address.startsWith("[") ? "inet6" : "inet";
      const expected: ListenSpec = { name, host, port, family, v6only, text: address };
      assert.deepEqual(parseListenSpec(text, 2), expected);
    });
  }

  const invalid: [string, RegExp, RegExp][] = [
    ["", /the port is missing/, /\[NAME=\]ADDRESS:PORT/],
    ["127.0.0.1", /the port is missing/, /ADDRESS:PORT/],
    ["[::1]", /the port is missing/, /ADDRESS:PORT/],
    ["127.0.0.1:", /"" is not a port/, /ADDRESS:PORT/],
    ["127.0.0.1:http", /"http" is not a port/, /ADDRESS:PORT/],
    ["127.0.0.1:+80", /"\+80" is not a port/, /ADDRESS:PORT/],
    ["127.0.0.1:65536", /ports end at 65535/, /ADDRESS:PORT/],
    ["127.0.0.1:0", /port 0 would be a different port each time/, /port that clients connect to/],
    ["0", /port 0 would be a different port each time/, /port that clients connect to/],
    ["example.com:80", /"example.com" is not an address/, /Use an address/],
    ["256.0.0.1:80", /"256.0.0.1" is not an IPv4 address/, /ADDRESS:PORT/],
    ["127.0.0.01:80", /"127.0.0.01" is not an IPv4 address/, /ADDRESS:PORT/],
    ["127.1:80", /"127.1" is not an address/, /Use an address/],
    ["::1:80", /an IPv6 address needs brackets/, /\[::1\]:8080/],
    ["[::g]:80", /"::g" is not an IPv6 address/, /ADDRESS:PORT/],
    ["[1.2.3.4]:80", /"1.2.3.4" is not an IPv6 address/, /ADDRESS:PORT/],
    ["[]:80", /"" is not an IPv6 address/, /ADDRESS:PORT/],
    ["[fe80::1%eth0]:80", /addresses with a zone/, /\[::\]/],
    ["[::ffff:1.2.3.4]:80", /IPv4 address written as IPv6/, /IPv4 address itself/],
    ["/run/x.sock", /the scheme is missing/, /unix:\/run\/x\.sock/],
    ["./x.sock", /the scheme is missing/, /unix:/],
    ["@abstract", /the scheme is missing/, /unix:/],
    ["unix:@abstract", /an abstract name cannot be passed/, /Use a path/],
    ["unix:x.sock", /its path must begin with \//, /unix:\/PATH/],
    ["unix:", /its path must begin with \//, /unix:\/PATH/],
    ["unix:/run/", /its path is a directory/, /ADDRESS:PORT/],
    ["unix:/", /its path is a directory/, /ADDRESS:PORT/],
    ["unix:/run/../x", /must not contain \.\./, /ADDRESS:PORT/],
    [`unix:/${"x".repeat(107)}`, /108 bytes, and a socket address has room for 107/, /shorter/],
    ["unix:/x,mode=888", /"888" is not an octal mode/, /mode=0660/],
    ["unix:/x,mode=4755", /"4755" is not an octal mode/, /mode=0660/],
    ["unix:/x,user=", /"" is not a user, by name or number/, /user=NAME/],
    ["unix:/x,y", /"y" is not mode=, user= or group= \(a path has no commas\)/, /user=NAME/],
    ["unix:/x,mode=660,mode=600", /a setting is given twice/, /mode=0660/],
    ["udp://0.0.0.0:53", /only TCP is supported/, /UDP sockets itself/],
    ["http://0.0.0.0:80", /a listener has no scheme "http:\/\/"/, /ADDRESS:PORT/],
    ["=8080", /"" is not a listener name/, /letters, digits/],
    ["a b=8080", /"a b" is not a listener name/, /letters, digits/],
    [`${"x".repeat(64)}=8080`, /is not a listener name/, /1 to 63/],
  ];
  for (const [text, message, remedy] of invalid) {
    it(`refuses "${text.slice(0, 30)}" with a remedy`, () => {
      assert.throws(() => parseListenSpec(text, 0), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^Cannot listen on "/);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }
});

describe("parseListenSpec() of a Unix socket", () => {
  const plain = { name: "listen0", family: "unix", mode: null, user: null, group: null } as const;
  const valid: [text: string, expected: Record<string, unknown>][] = [
    ["unix:/run/x.sock", { path: "/run/x.sock", text: "unix:/run/x.sock" }],
    ["UNIX:/run/x", { path: "/run/x", text: "unix:/run/x" }],
    ["unix:///run//./x", { path: "/run/x", text: "unix:/run/x" }],
    ["unix:/run/a=b", { path: "/run/a=b", text: "unix:/run/a=b" }],
    ["web=unix:/x,group=www-data", { name: "web", path: "/x", text: "unix:/x", group: "www-data" }],
    ["unix:/x,mode=0660", { path: "/x", text: "unix:/x", mode: 0o660 }],
    ["unix:/x,user=33,mode=600", { path: "/x", text: "unix:/x", mode: 0o600, user: "33" }],
  ];
  for (const [text, expected] of valid) {
    it(text, () => assert.deepEqual(parseListenSpec(text, 0), { ...plain, ...expected }));
  }

  it("is refused where baton itself answers", () => {
    assert.throws(() => parseOwnAddress("unix:/x", "--probe-listen"), /it is a Unix socket/);
  });
});

describe("checkListeners()", () => {
  const check = (...texts: string[]) => checkListeners(texts.map(parseListenSpec));

  it("accepts none, several, and overlapping addresses", () => {
    check();
    check("80", "443", "[::1]:80");
    check("0.0.0.0:80", "127.0.0.1:80", "*:80");
  });

  it("refuses a name that stands twice, whether given or by default", () => {
    const message = 'Cannot use listener name "web" twice: for 0.0.0.0:80 and for 0.0.0.0:81';
    assert.throws(() => check("web=80", "web=81"), { name: "UserError", message });
    assert.throws(() => check("listen1=80", "81"), /listener name "listen1" twice/);
  });

  it("refuses an address that stands twice in any spelling", () => {
    const message = 'Cannot listen on [::]:80 twice: as "a" and as "b"';
    assert.throws(() => check("a=*:80", "b=[::]:80"), { name: "UserError", message });
    assert.throws(() => check("localhost:80", "127.0.0.1:80"), /Cannot listen on 127.0.0.1:80/);
    assert.throws(() => check("unix:/a//b", "unix:/a/b,mode=600"), /on unix:\/a\/b twice/);
  });
});
