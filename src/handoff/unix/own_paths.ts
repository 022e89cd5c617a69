/**
 * Trapped calls that name a public path of the service, or a node beside it: path_rules.ts says what follows, this does
 * it. All other calls continue: their path is read, and its last component compared.
 *
 * Until the service has such a path, and while nothing could come of such a call, the poll thread lets them all continue
 * by itself (`passing`). That is 10 us for a call of some 5 instead of none, for every server, because a filter is fixed
 * before the server's first instruction; a server that is known to have paths only when its first generation removes
 * them at its end would remove its successor's.
 */
import { SystemCallError } from "../../platform/error.ts";
import { resolveForThread } from "../../platform/files/thread_path.ts";
import { C } from "../../platform/libc/constants.ts";
import { type PathCalls, pathCallsOf } from "../../platform/libc/path_calls.ts";
import type { Platform } from "../../platform/platform.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { UnixNode } from "../../steering/member.ts";
import type { PathMembers } from "../../steering/unix/path_members.ts";
import type { CallReply, ListenerOwner, OwnConnect } from "../listener_owner.ts";
import { BoundPaths } from "./bound_paths.ts";
import { decodePathCall, type PathArgument, type PathCall, pathCallRules } from "./path_call.ts";
import { judgePathDeed, type PathDeed, type PathVerdict } from "./path_rules.ts";
import { lastComponent, pathTextsOf } from "./path_text.ts";

/** What a call names: the public path of a group, or the caller's own node there. */
interface Named {
  readonly path: PathMembers;
  readonly named: "public" | "own";
}

export class OwnPaths {
  readonly rules: readonly CallRule[];
  readonly bound: BoundPaths;
  readonly #calls: PathCalls;
  #isPassing = false;

  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    sharesAbstract: boolean,
  ) {
    this.bound = new BoundPaths(sharesAbstract);
    this.#calls = pathCallsOf(platform.libc.runtime.arch);
    this.rules = pathCallRules(this.#calls);
    listeners.onPath = () => this.update();
    this.update();
  }

  /** To be called when paths have come or gone. */
  update(): void {
    const isPassing = this.#names().size === 0;
    if (isPassing === this.#isPassing) return;
    this.#isPassing = isPassing;
    const numbers = this.rules.map((rule) => typeof rule === "number" ? rule : rule.call);
    this.platform.reactor.letPass(isPassing ? numbers : [], "paths");
  }

  /** Whether it is a call that names paths, and none of the service's. */
  mayPass(trapped: TrappedCall): boolean {
    const call = decodePathCall(this.#calls, trapped);
    return call !== null && !this.#mayMatter(trapped, call);
  }

  #mayMatter({ tid }: TrappedCall, call: PathCall): boolean {
    const names = this.#names();
    if (names.size === 0) return false;
    const { source, target } = pathTextsOf(tid, call);
    return [source, target].some((text) => text !== null && names.has(lastComponent(text)));
  }

  #names(): ReadonlySet<string> {
    const names = new Set(this.bound.names);
    for (const { path } of this.listeners.groups) {
      if (path === null) continue;
      names.add(path.address.name);
      for (const { bound } of path.nodesOf()) names.add(lastComponent(bound));
    }
    return names;
  }

  /** @returns null: it is another call */
  handle(trapped: TrappedCall, owner: ListenerOwner): CallReply | OwnConnect | null {
    const call = decodePathCall(this.#calls, trapped);
    if (call === null) return null;
    try {
      return this.#reply(trapped, call, owner);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return { errno: error.errno };
    }
  }

  #reply(trapped: TrappedCall, call: PathCall, owner: ListenerOwner): CallReply | OwnConnect {
    const { tid } = trapped;
    const { epoch } = owner;
    const texts = pathTextsOf(tid, call);
    const target = this.#find(tid, call.target, texts.target, epoch);
    if (call.kind !== "rename") {
      return target === null ? "continue" : this.#carryOut(call, target, owner);
    }
    if (target === null) {
      const source = this.#find(tid, call.source, texts.source, epoch);
      if (source !== null) return this.#renameAway(source, owner);
      return this.#noteRename(tid, call, texts, epoch);
    }
    return this.#renameOnto(tid, { call, text: texts.source }, target, owner);
  }

  /** @returns null: the path is not the service's */
  #find(tid: number, { dirfd }: PathArgument, text: string | null, epoch: number): Named | null {
    if (text === null) return null;
    const name = lastComponent(text);
    for (const { path } of this.listeners.groups) {
      const isOwn = path?.address.name !== name &&
        path?.nodesOf(epoch).some(({ bound }) => bound === text);
      // The path may lead through a directory of baton's own.
      if (path && isOwn) return { path, named: "own" };
    }
    const candidates = this.listeners.groups.flatMap(({ path }) => path ?? [])
      .filter((path) => path.address.name === name || isOwnName(path, name, epoch));
    if (candidates.length === 0) return null;
    const place = resolveForThread(this.platform, tid, dirfd, text);
    if (place === null) return null;
    using directory = place.directory;
    const { key } = directory;
    const path = candidates.find(({ address }) => address.directoryKey === key);
    if (path === undefined) return null;
    return { path, named: path.address.name === name ? "public" : "own" };
  }

  /** What `epoch` is at this path: clients find its node there, or another generation's. */
  #roleOf(path: PathMembers, epoch: number): PathDeed["role"] {
    const { holder } = path;
    const { servingEpoch } = this.listeners;
    if (holder === epoch && servingEpoch !== null && epoch > servingEpoch) return "trial";
    if (holder === null || holder === epoch) return "serving";
    return epoch >= (servingEpoch ?? 0) ? "candidate" : "draining";
  }

  #judge(
    deed: PathDeed["deed"],
    { path, named }: Named,
    epoch: number,
    source: PathDeed["source"] = "other",
  ): PathVerdict {
    const role = this.#roleOf(path, epoch);
    const hasNode = path.nodesOf(epoch).some(({ name }) => name !== null);
    return judgePathDeed({ deed, role, named, hasNode, source });
  }

  #carryOut(
    call: Exclude<PathCall, { kind: "rename" }>,
    target: Named,
    { epoch }: ListenerOwner,
  ): CallReply | OwnConnect {
    const { path } = target;
    const verdict = this.#judge(call.kind, target, epoch);
    switch (verdict) {
      case "pass":
        if (call.kind === "unlink") forgetName(path, epoch);
        return "continue";
      case "refuse":
        return { errno: C.ECONNREFUSED };
      case "own node":
      case "public path": {
        const node = path.nodesOf(epoch).findLast(({ name }) => name !== null);
        if (call.kind === "connect") {
          const name = node?.name ?? null;
          return name === null
            ? { errno: C.ECONNREFUSED }
            : { connectTo: path.directory.pathTo(name) };
        }
        if (node !== undefined) changeNode(path, node, call);
        return "done";
      }
      default:
        return "done";
    }
  }

  #renameAway(source: Named, { epoch }: ListenerOwner): CallReply {
    const verdict = this.#judge("rename away", source, epoch);
    return verdict === "pass" ? "continue" : verdict === "busy" ? { errno: C.EBUSY } : "done";
  }

  /**
   * A rename of a node onto the public path: HAProxy binds NAME.PID.tmp, and gives it the public name before it
   * listens.
   */
  #renameOnto(
    tid: number,
    { call, text }: { readonly call: PathCall & { kind: "rename" }; readonly text: string | null },
    target: Named,
    owner: ListenerOwner,
  ): CallReply {
    const { path } = target;
    const { epoch } = owner;
    const place = text === null
      ? null
      : resolveForThread(this.platform, tid, call.source.dirfd, text);
    if (place === null) return "continue";
    using directory = place.directory;
    const found = this.bound.at(epoch, directory.key, place.name);
    const node = directory.stat(place.name);
    const isSame = node !== null && node.key === path.directory.stat(path.address.name)?.key;
    const kind = found !== null ? "own node" : isSame ? "same" : "other";
    const verdict = this.#judge("rename onto", target, epoch, kind);
    if (verdict === "pass") {
      if (found !== null) found[1].address = path.address;
      return "continue";
    }
    if (verdict !== "hold back" || found === null || node === null) return { errno: C.EBUSY };
    const [inode, { bound }] = found;
    this.bound.take(inode);
    path.noteBound(inode, epoch, { name: place.name, key: node.key, bound });
    return "done";
  }

  /** Notes a rename to a path that is not the service's yet. */
  #noteRename(
    tid: number,
    call: PathCall & { kind: "rename" },
    { source: text, target: targetText }: ReturnType<typeof pathTextsOf>,
    epoch: number,
  ): CallReply {
    if (text === null || !this.bound.names.includes(lastComponent(text))) return "continue";
    const from = resolveForThread(this.platform, tid, call.source.dirfd, text);
    const to = targetText === null
      ? null
      : resolveForThread(this.platform, tid, call.target.dirfd, targetText);
    try {
      const found = from && this.bound.at(epoch, from.directory.key, from.name);
      if (!found || to === null) return "continue";
      const { path: directory, key: directoryKey } = to.directory;
      found[1].address = { ...found[1].address, directory, directoryKey, name: to.name };
      return "continue";
    } finally {
      from?.directory.close();
      to?.directory.close();
    }
  }
}

/** Changes mode or owner of the node, unless its name is another node's by now. */
function changeNode({ directory }: PathMembers, node: UnixNode, call: PathCall): void {
  const { name } = node;
  if (name === null || directory.stat(name)?.key !== node.key) return;
  if (call.kind === "unlink") {
    directory.remove(name);
    node.name = null;
  } else if (call.kind === "chmod") directory.changeMode(name, call.mode);
  else if (call.kind === "chown") directory.changeOwner(name, call.uid, call.gid);
}

/** The generation removes the name by which clients find its node. */
function forgetName(path: PathMembers, epoch: number): void {
  for (const node of path.nodesOf(epoch)) if (node.name === path.address.name) node.name = null;
}

/** Whether `name` is what getsockname(2) says of the generation's node. */
function isOwnName(path: PathMembers, name: string, epoch: number): boolean {
  return path.nodesOf(epoch).some(({ bound }) => lastComponent(bound) === name);
}
