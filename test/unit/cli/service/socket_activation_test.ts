/** Listeners of the service manager count when the command is checked: they have names too. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { activate } from "../../../../src/cli/service/socket_activation.ts";
import { UserError } from "../../../../src/config/values/errors.ts";
import { buildConfig } from "../../../support/config.ts";
import type { Platform } from "../../../../src/platform/platform.ts";

// Without LISTEN_PID nothing is asked of it but who we are.
const PLATFORM = { runtime: { pid: 1 } } as Platform;
/** As a baton passes it to its successor. */
const SOCKET = { name: "web", host: "127.0.0.1", port: 80, family: "inet", v6only: false };

function activated(word: string, flags: Record<string, string[]>, sockets: readonly object[]) {
  const flagValues = new Map(Object.entries(flags));
  const config = buildConfig({ fileValues: null, flagValues, command: ["server", word] });
  const env = sockets.length === 0 ? {} : { BATON_ACTIVATED: JSON.stringify(sockets) };
  return activate(PLATFORM, config, env).config.listen.map(({ name }) => name);
}

describe("activate()", () => {
  const ADMIN = { listen: ["admin=81"] };

  it("lets the command name sockets of the service manager", () => {
    assert.deepEqual(activated("{fd:web}", {}, [SOCKET]), ["web"]);
    assert.deepEqual(activated("{fd:web}{fd:admin}", ADMIN, [SOCKET]), ["admin", "web"]);
  });

  it("refuses names that neither they nor --listen have", () => {
    const refused: [word: string, flags: Record<string, string[]>, sockets: object[]][] = [
      ["{fd:wbe}", {}, [SOCKET]],
      ["{port:web}", ADMIN, []],
      ["{fd:x}", ADMIN, [SOCKET]],
    ];
    for (const [word, flags, sockets] of refused) {
      assert.throws(() => activated(word, flags, sockets), UserError, word);
    }
  });

  it("refuses a variable that no baton wrote", () => {
    for (const broken of [{ ...SOCKET, port: 0 }, { ...SOCKET, family: "unix" }, { name: "web" }]) {
      assert.throws(() => activated("server", {}, [broken]), /BATON_ACTIVATED/);
    }
  });

  it("refuses a socket where a front is to stand, and takes others", () => {
    const refused = [["eds:/d/e.yaml"], ["eds:/d/e.yaml,port=80"], [
      "eds:/d/e.yaml,port=81",
      "eds:/d/f.yaml,port=80",
    ]];
    for (const front of refused) {
      const why = /Cannot use --front eds:\S+ with the socket of systemd at 127\.0\.0\.1:80, /;
      assert.throws(() => activated("server", { front }, [SOCKET]), why);
    }
    const other = { front: ["eds:/d/e.yaml,port=81"] };
    assert.deepEqual(activated("server", other, [SOCKET]), ["web"]);
    const unix = { name: "u", family: "unix", path: "/run/u.sock" };
    assert.deepEqual(activated("server", { front: ["eds:/d/e.yaml"] }, [unix]), ["u"]);
  });

  it("leaves words of the server alone where nothing listens", () => {
    assert.deepEqual(activated("f({fd:1})", {}, []), []);
  });
});
