/** The parser of YAML, for `import()`: what is bundled of a package in CommonJS has no names of its own to import so. */
export { parse } from "yaml";
