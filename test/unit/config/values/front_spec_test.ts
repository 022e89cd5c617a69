/** What `--front` takes, and what it says to everything else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";
import { checkFronts, parseFrontSpec } from "../../../../src/config/values/front_spec.ts";

type FrontSpec = ReturnType<typeof parseFrontSpec>;

const PLAIN: Omit<FrontSpec, "text" | "file"> = {
  cluster: null,
  port: null,
  admins: [],
  acks: null,
  timeoutMs: 5_000,
  address: null,
};

const REST = { keepAlive: "leave", spread: "random", rollbackOn: "any" };

describe("parseFrontSpec()", () => {
  const read: [string, Partial<FrontSpec>][] = [
    ["eds:/d/eds.yaml", {}],
    ["eds:eds.json", { file: "eds.json" }],
    ["eds:/d/eds.yaml,cluster=app", { cluster: "app" }],
    ["eds:/d/eds.yaml,port=3000", { port: 3000 }],
    ["eds:/d/eds.yaml,admin=unix:/d/a.sock", { admins: [{ family: "unix", path: "/d/a.sock" }] }],
    ["eds:/d/eds.yaml,admin=[::1]:9901,admin=10.0.0.2:9901,acks=1", {
      admins: [{ family: "inet6", host: "::1", port: 9901, scope: 0 }, {
        family: "inet",
        host: "10.0.0.2",
        port: 9901,
        scope: 0,
      }],
      acks: 1,
    }],
    ["eds:/d/eds.yaml,port=65535,admin=unix:@envoy", {
      port: 65_535,
      admins: [{ family: "unix", path: "@envoy" }],
    }],
    ["eds:/d/eds.yaml,acks=1", { acks: 1 }],
    ["eds:/d/eds.yaml,acks=0,timeout=300ms", { acks: 0, timeoutMs: 300 }],
    ["eds:/d/eds.yaml,acks=all,address=10.0.0.5", { address: "10.0.0.5" }],
  ];
  for (const [text, values] of read) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseFrontSpec(text), { text, file: "/d/eds.yaml", ...PLAIN, ...values });
    });
  }

  const refused: [string, RegExp, RegExp][] = [
    ["/d/eds.yaml", /does not begin with "eds:"/, /eds:FILE/],
    ["eds:", /the file is missing/, /eds:FILE/],
    ["eds:/d/eds", /Envoy tells the format by the name/, /eds:FILE/],
    ["eds:/d/eds.yaml,clutser=a", /"clutser" is not a setting/, /Did you mean cluster\?/],
    ["eds:/d/eds.yaml,cluster", /the value of cluster is missing/, /eds:FILE/],
    ["eds:/d/eds.yaml,cluster=a,cluster=b", /cluster is given twice/, /eds:FILE/],
    ["eds:/d/eds.yaml,port=0", /ports go from 1/, /eds:FILE/],
    ["eds:/d/eds.yaml,admin=9901", /"9901" is not the address/, /admin=unix:\/PATH/],
    ["eds:/d/eds.yaml,admin=unix:a.sock", /must begin with/, /eds:FILE/],
    ["eds:/d/eds.yaml,admin=unix:@", /must begin with/, /eds:FILE/],
    ["eds:/d/eds.yaml,admin=envoy:9901", /"envoy:9901" is not the address/, /admin=unix:\/PATH/],
    ["eds:/d/eds.yaml,admin=10.0.0.1:0", /ports go from 1/, /eds:FILE/],
    ["eds:/d/eds.yaml,=x", /"" is not a setting/, /eds:FILE/],
    ["eds:/d/eds.yaml,cluster=", /the value of cluster is missing/, /eds:FILE/],
    ["eds:/d/eds.yaml,port=65536", /ports go from 1/, /eds:FILE/],
    ["eds:/d/eds.yaml,acks=2", /acks=2 of 0 admin addresses/, /acks=all/],
    ["eds:/d/eds.yaml,timeout=0", /timeout=0/, /acks=0/],
    ["eds:/d/eds.yaml,address=web-1", /"web-1" is not an IP address/, /eds:FILE/],
  ];
  for (const [text, message, remedy] of refused) {
    it(`refuses ${text}`, () => {
      assert.throws(() => parseFrontSpec(text), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }

  it("refuses two for one file, and two for one address", () => {
    const front = (texts: string[]) => () =>
      checkFronts({ ...REST, front: texts.map(parseFrontSpec) });
    assert.throws(front(["eds:/a.yaml,port=1", "eds:/a.yaml,port=2"]), /has this file/);
    assert.throws(front(["eds:/a.yaml", "eds:/b.yaml"]), /another --front has no port=/);
    assert.doesNotThrow(front(["eds:/a.yaml", "eds:/b.yaml,port=2"]));
  });

  it("refuses what Envoy does itself, by name", () => {
    const front = [parseFrontSpec("eds:/a.yaml")];
    const check = (change: object) => () => checkFronts({ ...REST, front, ...change });
    assert.doesNotThrow(check({}));
    assert.throws(check({ keepAlive: "migrate" }), /--keep-alive migrate with --front eds:\/a/);
    assert.throws(check({ spread: "least" }), /--spread least with --front eds:\/a/);
    assert.doesNotThrow(check({ front: [], keepAlive: "migrate", spread: "least" }));
  });
});
