/** A program in a user namespace of its own has the ids that it was given, its words and its environment; or a refusal comes back. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import { startAsUser } from "../../src/platform/process/user_namespace.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { testPlatform } from "../support/test_platform.ts";

const [uid, gid] = [process.geteuid!(), process.getegid!()];
const isAllowed = spawnSync("unshare", ["--user", "--map-root-user", "true"]).status === 0;
const skip = isAllowed ? false : "user namespaces are not allowed";

describe("startAsUser()", () => {
  for (const inside of [{ uid: 0, gid: 0 }, { uid: 1234, gid: 4321 }]) {
    test(
      `its program is user ${inside.uid} there`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        await using platform = await testPlatform();
        const before = openDescriptors();
        {
          const script = 'echo "$(id -u) $(id -g) $0 $1 $COLOR" >&3; read line <&3';
          using helper = startAsUser(platform, { inside, outside: { uid, gid } }, {
            program: {
              path: "/bin/sh",
              argv: ["sh", "-c", script, "name", "a word"],
              env: { PATH: "/usr/bin:/bin", COLOR: "red" },
              directory: null,
            },
            descriptors: [0, 1, 2],
          });
          const said = new TextDecoder().decode(helper.awaitMessage(TEST_TIMEOUT_MS).data);
          assert.equal(said, `${inside.uid} ${inside.gid} name a word red\n`);
        }
        assert.deepEqual(leakedSince(before), []);
      },
    );
  }

  test("ids that may not be mapped are an error", {
    skip: skip || (uid === 0 ? "root may map any" : false),
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const ids = { inside: { uid: 0, gid: 0 }, outside: { uid: 1, gid } };
    const program = { path: "/bin/true", argv: ["true"], env: {}, directory: null };
    const start = () => startAsUser(platform, ids, { program, descriptors: [0, 1, 2] });
    assert.throws(start, /EPERM/);
  });
});
