/** What of a server's command is filled in for each generation, and what is the server's own. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseListenSpec } from "../../../../src/config/values/listen_spec.ts";
import {
  fillPlaceholders,
  listenerPlaceholders,
} from "../../../../src/config/values/placeholders.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;
const EPOCH = 12;
const LISTENERS = ["web=127.0.0.1:8080", "admin=[::1]:9000", "app=unix:/run/app.sock"]
  .map(parseListenSpec);

describe("fillPlaceholders()", () => {
  const cases: [word: string, expected: string, withoutListeners?: string][] = [
    ["{epoch}", "12"],
    ["{generation}", "12"],
    ["--pid-file=/run/x.{epoch}.pid", "--pid-file=/run/x.12.pid"],
    ["{epoch}{generation}-{epoch}", "1212-12"],
    ["{{epoch}}", "{epoch}"],
    ["a{{generation}}b", "a{generation}b"],
    ["{{{epoch}}}", "{{epoch}}"],
    ["{{epoch}", "{12"],
    ["{epoch}}", "12}"],
    ["{{{generation}", "{{12"],
    ["${epoch}", "${epoch}"],
    ["$RESTART_EPOCH {epoch}", "$RESTART_EPOCH 12"],
    ["{worker}/{epoch}", "3/12"],
    ["{{worker}}", "{worker}"],
    ["{Epoch}", "{Epoch}"],
    ["{ epoch }", "{ epoch }"],
    ["{epoch:}", "{epoch:}"],
    ["{epochs}", "{epochs}"],
    ["%{epoch}", "%12"],
    ["{fd:web}", "3", "{fd:web}"],
    ["{fd:admin}", "4", "{fd:admin}"],
    ["{port:web}", "8080", "{port:web}"],
    ["{port:admin}", "9000", "{port:admin}"],
    ["--listen=fd://{fd:web}", "--listen=fd://3", "--listen=fd://{fd:web}"],
    ["{fd:web}{fd:admin}/{port:web}", "34/8080", "{fd:web}{fd:admin}/{port:web}"],
    ["{port:web}.{epoch}", "8080.12", "{port:web}.12"],
    ["{{fd:web}}", "{fd:web}", "{{fd:web}}"],
    ["{{port:none}}", "{port:none}", "{{port:none}}"],
    ["${port:-80} ${fd:web}", "${port:-80} ${fd:web}"],
    ["{fd:app}", "5", "{fd:app}"],
    ["--unix={path:app}", "--unix=/run/app.sock", "--unix={path:app}"],
    ["{path:web}", "{path:web}"],
    ["{port:app}", "{port:app}"],
    ["{fd:none}", "{fd:none}"],
    ["{port:}", "{port:}"],
    ["{host:web}", "{host:web}"],
    ["{FD:web}", "{FD:web}"],
    ["{ fd:web }", "{ fd:web }"],
    ["{fd:{fd:web}}", "{fd:3}", "{fd:{fd:web}}"],
    ["{fd:web", "{fd:web"],
    ["{}", "{}"],
    ['{"a":{"b":1}}', '{"a":{"b":1}}'],
    ["", ""],
  ];
  for (const [word, expected, withoutListeners = expected] of cases) {
    test(`makes ${JSON.stringify(word)} ${JSON.stringify(expected)}`, { timeout }, () => {
      assert.deepEqual(fillPlaceholders([word], LISTENERS, EPOCH, 3), [expected]);
      assert.deepEqual(fillPlaceholders([word], [], EPOCH, 3), [withoutListeners]);
    });
  }

  test("leaves the number and the order of words alone", { timeout }, () => {
    const command = ["server", "--fd", "{fd:admin}", "a b", "{port:web}", "{epoch}"];
    const filled = ["server", "--fd", "4", "a b", "8080", "0"];
    assert.deepEqual(fillPlaceholders(command, LISTENERS, 0), filled);
  });

  test("knows listeners without a name by their place", { timeout }, () => {
    const listeners = ["1001", "1002"].map(parseListenSpec);
    assert.deepEqual(fillPlaceholders(["{fd:listen1}"], listeners, 0), ["4"]);
  });
});

test("listenerPlaceholders() are those that need a listener of that name", { timeout }, () => {
  const command = ["{fd:web}{{fd:a}} ${port:b}", "{epoch} {port:x:y}", "{fd:}"];
  assert.deepEqual(
    listenerPlaceholders(command).map(({ text }) => text),
    ["{fd:web}", "{port:x:y}", "{fd:}"],
  );
});
