/** The server is found behind wrappers and shells, and what stays in front of it is known. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandLine, wrapperNotice } from "../../../../src/config/servers/command_line.ts";

/** A shell script, and the words of its last program with what stands in front: "" for nothing. */
const SCRIPTS: [script: string, server: string, behind: string][] = [
  ["exec nginx -g 'daemon off;'", "nginx|-g|daemon off;", ""],
  ["cd /srv && A=1 B='x y' exec nginx -p /srv", "nginx|-p|/srv", ""],
  ["ulimit -n 65536\nexec nginx", "nginx", ""],
  ["exec nginx >/var/log/x 2>&1 </dev/null", "nginx", ""],
  ["exec -a web nginx", "nginx", ""],
  ["set -eu; . /etc/default/web; exec nginx $OPTIONS", "nginx|$OPTIONS", ""],
  ["if [ -f x ]; then exec nginx; fi", "nginx", ""],
  ["exec env A=1 gosu web nginx", "nginx", ""],
  ['exec sh -c "exec nginx"', "nginx", ""],
  ['exec nginx "pid $(pwd)/x;"', "nginx|pid $(pwd)/x;", ""],
  ["exec nginx # in the foreground", "nginx", ""],
  ["exec \\\n nginx \\\n -q", "nginx|-q", ""],
  ["nginx", "nginx", "sh"],
  ["nginx; echo done", "nginx", "sh"],
  ["nginx & wait", "nginx", "sh"],
  ["exec nginx & wait", "nginx", "sh"],
  ["nginx 2>&1 | tee log", "nginx|", "sh"],
  ["exec nginx | tee log", "nginx", "sh"],
  ["trap 'kill 0' TERM; nginx & wait $!", "nginx", "sh"],
];

describe("commandLine() in a shell", () => {
  for (const [script, server, behind] of SCRIPTS) {
    it(`finds the server in ${JSON.stringify(script)}`, () => {
      const { argv, behindShell, front } = commandLine(["/bin/sh", "-c", script]);
      assert.deepEqual(argv, server.split("|").filter((word) => word !== ""));
      assert.equal(behindShell ?? "", behind);
      assert.equal(front, null);
    });
  }

  const OPTIONS: [words: string[], server: string][] = [
    [["bash", "-lc", "exec nginx"], "nginx"],
    [["bash", "--norc", "-euo", "pipefail", "-c", "exec nginx"], "nginx"],
    [["sh", "-c", 'exec "$@"', "--", "nginx", "-q"], "nginx -q"],
    [["sh", "-c", 'exec "$0" "$@"', "nginx", "-q"], "nginx -q"],
    [["bash", "start.sh"], "bash start.sh"],
    [["sh", "-c", ""], "sh -c "],
    [["sh", "-c", "cd /; wait"], "sh -c cd /; wait"],
    [["sh"], "sh"],
  ];
  for (const [words, server] of OPTIONS) {
    it(`takes ${JSON.stringify(words)} for ${server}`, () => {
      assert.equal(commandLine(words).argv.join(" "), server);
    });
  }

  it("ends, whatever the script", () => {
    for (
      const script of ["'", '"', "\\", "$(", "((", "<<", ">", "|", "&&", "exec", "exec -a", "A=1"]
    ) {
      assert.ok(commandLine(["sh", "-c", script]).argv.length > 0, script);
    }
  });
});

describe("commandLine() behind wrappers", () => {
  const cases: [line: string, server: string, front: string][] = [
    ["env -i A=1 -u B nginx -q", "nginx -q", ""],
    ["nice -n 5 ionice -c 2 -n 7 nginx", "nginx", ""],
    ["chrt -o 0 taskset -c 0,1 nginx", "nginx", ""],
    ["stdbuf -oL nohup prlimit --nofile=9 nginx", "nginx", ""],
    ["setpriv --reuid www --clear-groups -- nginx", "nginx", ""],
    ["gosu www:www su-exec www nginx", "nginx", ""],
    ["chpst -u www -n 5 envdir ./env nginx", "nginx", ""],
    ["setarch x86_64 -R nginx", "nginx", ""],
    ["chroot --userspec=www /srv nginx", "nginx", ""],
    ["unshare -m nginx", "nginx", ""],
    ["bundle exec puma", "puma", ""],
    ["tini -s -- nginx", "nginx", "tini relays"],
    ["docker-init -- nginx", "nginx", "docker-init relays"],
    ["timeout -s INT 60 nginx", "nginx", "timeout relays"],
    ["tini -- flock /x nginx", "nginx", "tini stays"],
    ["flock /x tini -- nginx", "nginx", "flock stays"],
    ["unshare --fork nginx", "nginx", "unshare stays"],
    ["setsid nginx", "nginx", "setsid leaves"],
    ["setsid --wait nginx", "nginx", "setsid stays"],
    ["npm start", "npm start", ""],
    ["env", "env", ""],
  ];
  for (const [line, server, front] of cases) {
    it(`finds ${server} in "${line}"`, () => {
      const found = commandLine(line.split(" "));
      assert.equal(found.argv.join(" "), server);
      assert.equal(found.front === null ? "" : `${found.front.program} ${found.front.way}`, front);
    });
  }

  it("knows a server with another root directory", () => {
    assert.equal(commandLine(["chroot", "/srv", "nginx"]).isElsewhere, true);
    assert.equal(commandLine(["nginx"]).isElsewhere, false);
  });
});

describe("wrapperNotice()", () => {
  const cases: [words: string[], leader: string, notice: RegExp | null][] = [
    [["sh", "-c", "nginx -q"], "sh", /^sh stays in front of nginx .*: put exec before it/],
    [["bash", "-c", "nginx -q"], "nginx", null],
    [["sh", "-c", "exec nginx"], "nginx", null],
    [["runuser", "-u", "x", "nginx"], "runuser", /^runuser stays in front of nginx .*setpriv/],
    [["tini", "--", "nginx"], "tini", null],
    [["timeout", "9", "apache2"], "timeout", null],
    [["nginx"], "nginx", null],
  ];
  for (const [words, leader, notice] of cases) {
    it(`of ${words.join(" ")}, led by ${leader}: ${notice}`, () => {
      const text = wrapperNotice(commandLine(words), leader);
      if (notice === null) assert.equal(text, null);
      else assert.match(text ?? "", notice);
    });
  }
});
