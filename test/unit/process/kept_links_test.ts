/** Names for the files that a command's paths led to, after links on the way have moved. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  findLinks,
  mapAbsolutePaths,
  mapPaths,
  rerouted,
} from "../../../src/process/kept_links.ts";

const BASE = "/srv/releases/1";
/** A tree in which `current` is what a deploy moves. */
const TREE: Readonly<Record<string, string>> = {
  "/srv/current": "releases/1",
  "/srv/www": "current",
  "/srv/releases/1/venv/python": "/usr/bin/python3",
  "/usr/bin/python3": "python3.11",
  "/srv/releases/1/shared": "../../shared",
  "/srv/server.js": "/srv/current/server.js",
  "/lib": "usr/lib",
  "/loop": "loop",
  "/dev/stdout": "/proc/self/fd/1",
  "/var/log/out": "/dev/stdout",
};
const readLink = (path: string) => TREE[path] ?? null;

function linksOf(path: string): Record<string, string> {
  const found = new Map<string, string>();
  findLinks(path, BASE, readLink, found);
  return Object.fromEntries(found);
}

describe("findLinks()", () => {
  const cases: [path: string, links: string[]][] = [
    ["/srv/releases/1/server.js", []],
    ["/srv/current/server.js", ["/srv/current"]],
    ["/srv/www/server.js", ["/srv/www", "/srv/current"]],
    ["/srv/current/venv/python", [
      "/srv/current",
      "/srv/releases/1/venv/python",
      "/usr/bin/python3",
    ]],
    ["shared/x", ["/srv/releases/1/shared"]],
    ["shared/../current/server.js", ["/srv/releases/1/shared", "/srv/current"]],
    ["../../current", ["/srv/current"]],
    ["/../../lib/", ["/lib"]],
    ["/loop/x", ["/loop"]],
    ["/dev/stdout", []],
    ["/var/log/out", ["/var/log/out"]],
    ["80", []],
    ["", []],
    ["/", []],
    [`/srv/current/${"x/".repeat(3000)}`, []],
  ];
  for (const [path, links] of cases) {
    test(`finds ${links.length} on the way to ${path.slice(0, 40)}`, () => {
      assert.deepEqual(Object.keys(linksOf(path)), links);
    });
  }
});

describe("rerouted()", () => {
  const cases: [path: string, moved: string[], expected: string][] = [
    ["/srv/current/server.js", [], "/srv/current/server.js"],
    ["/srv/current/server.js", ["/srv/current"], "/srv/releases/1/server.js"],
    ["/srv//current/./a/", ["/srv/current"], "/srv/releases/1/a/"],
    ["/srv/current", ["/srv/current"], "/srv/releases/1"],
    // A link that stays keeps its name, also behind one that has moved.
    ["/srv/current/venv/python", ["/srv/current"], "/srv/releases/1/venv/python"],
    ["/srv/current/venv/python", ["/srv/releases/1/venv/python"], "/usr/bin/python3"],
    ["/srv/current/venv/python", ["/usr/bin/python3"], "/usr/bin/python3.11"],
    ["/srv/www/server.js", ["/srv/current"], "/srv/releases/1/server.js"],
    ["/srv/www/server.js", ["/srv/www"], "/srv/current/server.js"],
    ["/srv/www/server.js", ["/srv/www", "/srv/current"], "/srv/releases/1/server.js"],
    // A link below a link: the rest of an unchanged one's target is part of the name then.
    ["/srv/server.js", ["/srv/current"], "/srv/releases/1/server.js"],
    ["../../current/x/../y", ["/srv/current"], "/srv/releases/1/x/../y"],
    ["shared/x", [], "shared/x"],
    ["shared/x", ["/srv/releases/1/shared"], "/srv/releases/1/../../shared/x"],
    ["/srv/current/../x", ["/srv/current"], "/srv/releases/1/../x"],
    ["/loop/x", ["/loop"], "/loop/x"],
    ["80", ["/srv/current"], "80"],
    ["", ["/srv/current"], ""],
  ];
  for (const [path, moved, expected] of cases) {
    test(`${path} is ${expected} when [${moved}] moved`, () => {
      const hasMoved = (link: string) => moved.includes(link);
      if (path === "/loop/x") {
        // Ends, whatever it finds.
        assert.match(rerouted(path, BASE, linksOf(path), hasMoved), /^\//);
      } else assert.equal(rerouted(path, BASE, linksOf(path), hasMoved), expected);
    });
  }
});

describe("mapPaths()", () => {
  const cases: [word: string, paths: string[]][] = [
    ["/srv/current/server.js", ["/srv/current/server.js"]],
    ["--config=/etc/a.conf", ["/etc/a.conf"]],
    ["--config=conf/a.yml", ["conf/a.yml"]],
    ["server.js", ["server.js"]],
    ["-Dx.y=/a", ["/a"]],
    ["/a/b.jar:/a/c.jar", ["/a/b.jar", "/a/c.jar"]],
    ["unix:/run/x,mode=1", ["/run/x"]],
    ["@/etc/args", ["/etc/args"]],
    ["cd /srv/current && exec './a b' --x=\"/y\"", ["/srv/current", "/y"]],
    ["http://127.0.0.1/x", ["//127.0.0.1/x"]],
    ["a=b", ["a=b"]],
    ["", []],
  ];
  for (const [word, paths] of cases) {
    test(`finds [${paths}] in ${JSON.stringify(word)}`, () => {
      const found: string[] = [];
      const same = (path: string) => {
        found.push(path);
        return path;
      };
      assert.equal(mapPaths(word, same), word);
      for (const path of paths) assert.ok(found.includes(path), `${path} in ${found}`);
    });
  }

  test("puts each result in its path's place", () => {
    const change = (path: string) => path.replace("/srv/current", "/srv/releases/1");
    assert.equal(
      mapPaths("-cp=/srv/current/a.jar:/srv/current/b.jar:/c", change),
      "-cp=/srv/releases/1/a.jar:/srv/releases/1/b.jar:/c",
    );
    assert.equal(mapPaths("sh /srv/current/a;x", change), "sh /srv/releases/1/a;x");
    assert.equal(mapPaths("/srv/current/my app/x", change), "/srv/releases/1/my app/x");
    assert.equal(mapPaths("--a=rel", (path) => `/b/${path}`), "--a=/b/rel");
    assert.equal(mapAbsolutePaths("rel:/srv/current", change), "rel:/srv/releases/1");
  });
});
