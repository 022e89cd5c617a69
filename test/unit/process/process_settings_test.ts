/** Which user, groups and limits the options mean, by the accounts of a machine. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { groupsOf, userOf } from "../../../src/platform/files/accounts.ts";
import { accountEnvironment, processSettings } from "../../../src/process/process_settings.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/bash\nweb:x:33:33::/srv/web:\nodd:x:a:b::/:/bin/sh\n";
const GROUP =
  "root:x:0:\nweb:x:33:web\nssl:x:110:root,web\nlogs:x:111:web\nodd:x::web\nwebs:x:112:webx\n";
const GROUP_IDS: Readonly<Record<string, number>> = { ssl: 110, "7": 7 };
const ACCOUNTS = {
  userOf: (name: string) => userOf(name, PASSWD),
  groupId: (name: string) => GROUP_IDS[name] ?? null,
  groupsOf: (name: string, gid: number) => groupsOf(name, gid, GROUP),
};
const NONE = { user: null, group: null, rlimit: [], nice: null, umask: null };

describe("processSettings()", () => {
  const cases: [what: string, asked: { user?: string; group?: string }, account: object | null][] =
    [
      ["nobody else", {}, null],
      ["a user, with its groups", { user: "web" }, {
        uid: 33,
        gid: 33,
        groups: [110, 111],
        text: "user web",
      }],
      ["its number", { user: "33" }, { uid: 33, gid: 33, groups: [110, 111], text: "user 33" }],
      ["another group", { user: "web", group: "ssl" }, {
        uid: 33,
        gid: 110,
        groups: [33, 111],
        text: "user web, group ssl",
      }],
      ["a number without an account", { user: "1000", group: "7" }, {
        uid: 1000,
        gid: 7,
        groups: [],
        text: "user 1000, group 7",
      }],
    ];
  for (const [what, asked, account] of cases) {
    test(
      what,
      () => assert.deepEqual(processSettings({ ...NONE, ...asked }, ACCOUNTS).account, account),
    );
  }

  const refused: [asked: { user?: string; group?: string }, message: RegExp][] = [
    [{ user: "wbe" }, /Cannot use --user wbe: there is no such name in \/etc\/passwd/],
    [{ user: "odd" }, /Cannot use --user odd/],
    [{ user: "1000" }, /no account has this number, and so no group/],
    [{ user: "web", group: "sll" }, /Cannot use --group sll/],
    [{ group: "ssl" }, /--group without --user/],
    [{ user: "4294967295", group: "7" }, /Cannot use --user 4294967295/],
  ];
  for (const [asked, message] of refused) {
    test(`refuses ${JSON.stringify(asked)}`, () => {
      assert.throws(() => processSettings({ ...NONE, ...asked }, ACCOUNTS), message);
    });
  }

  test("limits have the kernel's numbers", () => {
    const rlimit = [{ name: "core", soft: 0, hard: Infinity }] as const;
    const { limits } = processSettings({ ...NONE, rlimit }, ACCOUNTS);
    assert.deepEqual(limits, [{ name: "core", resource: 4, soft: 0, hard: Infinity }]);
  });
});

describe("accountEnvironment()", () => {
  test("is that of a log-in", () => {
    const env = accountEnvironment({ user: "web", group: null }, ACCOUNTS);
    assert.deepEqual(env, { HOME: "/srv/web", USER: "web", LOGNAME: "web", SHELL: "/bin/sh" });
  });

  test("leaves no home of root to a number, and everything as it is without a user", () => {
    assert.deepEqual(accountEnvironment({ user: "1000", group: "7" }, ACCOUNTS), { HOME: "/" });
    assert.deepEqual(accountEnvironment({ user: null, group: null }, ACCOUNTS), {});
  });
});
