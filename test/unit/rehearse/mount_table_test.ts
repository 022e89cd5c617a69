/** What is mounted, and how a rehearsal shows it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  escapeLower,
  isBelow,
  parseMounts,
  pathsIn,
  planMounts,
  topmost,
} from "../../../src/rehearse/mount_table.ts";

const TABLE = [
  "22 27 0:21 / /proc rw,relatime - proc proc rw",
  "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw",
  "24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,mode=755",
  "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard",
  "30 27 0:30 / /run rw,nosuid - tmpfs tmpfs rw",
  "31 30 0:31 / /run/user/1000/gvfs rw - fuse.gvfsd-fuse gvfsd rw",
  "32 27 8:1 / /srv/my\\040data rw - xfs /dev/sdb rw",
  "33 27 7:0 / /snap/core ro - squashfs /dev/loop0 ro",
  "34 27 254:0 /etc/hosts /etc/hosts rw - ext4 /dev/vda rw",
  "35 27 0:35 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw",
  "36 27 0:36 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw",
  "37 30 0:37 / /run rw - tmpfs over-the-first rw",
  "",
].join("\n");

describe("parseMounts()", () => {
  test("reads places with spaces, and flags of mount and file system", () => {
    const mounts = parseMounts(TABLE);
    const at = (point: string) => mounts.find((mount) => mount.point === point);
    assert.deepEqual(at("/srv/my data"), { point: "/srv/my data", type: "xfs", isReadOnly: false });
    assert.equal(at("/snap/core")?.isReadOnly, true);
    assert.equal(at("/")?.type, "ext4");
  });

  test("of two mounts at one place the last one counts", () => {
    assert.equal(parseMounts(TABLE).filter(({ point }) => point === "/run").length, 1);
  });
});

describe("planMounts()", () => {
  const steps = planMounts(parseMounts(TABLE), (path) => path !== "/etc/hosts");

  test("gives each place with files a layer, the root first", () => {
    assert.deepEqual(steps[0], { path: "/", as: "overlay" });
    const layers = steps.filter(({ as }) => as === "overlay").map(({ path }) => path);
    assert.deepEqual(layers, ["/", "/run", "/srv/my data", "/run/user/1000/gvfs"]);
  });

  test("shows what cannot be written, and single files, as they are", () => {
    const bound = steps.filter(({ as }) => as === "read-only").map(({ path }) => path);
    assert.deepEqual(bound.sort(), ["/etc/hosts", "/snap/core"]);
  });

  test("leaves out what is no place of files, and what containers have mounted", () => {
    const paths = steps.map(({ path }) => path);
    assert.ok(!paths.some((path) => /^\/(proc|sys|dev)|docker/.test(path)), String(paths));
  });
});

describe("paths", () => {
  test("isBelow() compares whole names", () => {
    assert.ok(isBelow("/run/user", "/run"));
    assert.ok(isBelow("/run", "/run"));
    assert.ok(isBelow("/run", "/"));
    assert.ok(!isBelow("/runner", "/run"));
  });

  test("topmost() keeps what is below no other", () => {
    assert.deepEqual(topmost(["/home/a/b", "/tmp", "/home/a", "/tmp"]), ["/tmp", "/home/a"]);
  });

  test("escapeLower() protects what separates the options of overlayfs", () => {
    assert.equal(escapeLower("/a:b,c\\d"), "/a\\:b\\,c\\\\d");
  });

  test("pathsIn() finds paths behind '=' and between commas", () => {
    const words = ["redis-server", "/etc/redis.conf", "--dir=/var/lib/redis", "-o", "a=1,b=/srv/b"];
    assert.deepEqual(pathsIn(words), ["/etc/redis.conf", "/var/lib/redis", "/srv/b"]);
  });
});
