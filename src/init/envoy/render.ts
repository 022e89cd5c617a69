/** Trees as YAML text: blocks, with what fits on a line in braces. Envoy reads YAML 1.1, in which `n` and `on` are no text. */
import { Document, type Node, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { Noted, plain, type YamlMap, type YamlTree } from "./yaml_tree.ts";

const LINE_WIDTH = 118;
/** Characters of a map or list that is written on one line. */
const FLOW_WIDTH = 64;
const NOTE_WIDTH = 100;
/** Text that every reader of YAML reads as text. */
const PLAIN_TEXT = /^(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][A-Za-z0-9_./-]+$/i;

/** @param heading lines of a comment at the top */
export function yamlText(heading: readonly string[], tree: YamlTree): string {
  const document = new Document(null);
  document.contents = nodeOf(tree) as Document["contents"];
  document.commentBefore = heading.map((line) => ` ${line}`).join("\n");
  return document.toString({ lineWidth: LINE_WIDTH, flowCollectionPadding: false });
}

function nodeOf(tree: YamlTree): Node {
  if (tree instanceof Noted) {
    const node = nodeOf(tree.value);
    node.commentBefore = commentOf(tree.note);
    return node;
  }
  if (Array.isArray(tree)) {
    const list = new YAMLSeq();
    list.items.push(...tree.map(nodeOf));
    list.flow = isShort(tree);
    return list;
  }
  if (typeof tree !== "object") return scalar(tree);
  const map = new YAMLMap();
  for (const [key, value] of Object.entries(tree as YamlMap)) {
    if (value !== undefined) map.items.push(pairOf(key, value));
  }
  map.flow = isShort(tree);
  return map;
}

/** A key with its value; a comment stands above the key. */
function pairOf(key: string, value: YamlTree): Pair {
  const name = scalar(key);
  const isNoted = value instanceof Noted;
  if (isNoted) name.commentBefore = commentOf(value.note);
  return new Pair(name, nodeOf(isNoted ? value.value : value));
}

function scalar(value: string | number | boolean): Scalar {
  const node = new Scalar(value);
  if (typeof value === "string" && !PLAIN_TEXT.test(value)) node.type = Scalar.QUOTE_DOUBLE;
  return node;
}

function isShort(tree: YamlTree): boolean {
  return !hasNotes(tree) && JSON.stringify(plain(tree)).length <= FLOW_WIDTH;
}

function hasNotes(tree: YamlTree): boolean {
  if (tree instanceof Noted) return true;
  return typeof tree === "object" &&
    Object.values(tree).some((value) => value !== undefined && hasNotes(value as YamlTree));
}

/** A comment, broken into lines. */
function commentOf(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    if ((lines.at(-1) ?? "").length + word.length >= NOTE_WIDTH) lines.push("");
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.join("\n");
}
