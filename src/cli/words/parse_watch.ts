/** The verbs that look at a running service: words -> commands. Pure. */
import { type EventsCommand, parseEvents } from "./parse_events.ts";
import { parseTop, type TopCommand } from "./parse_top.ts";
import { type ServiceCommand, serviceCommand, type Words } from "./words.ts";

export type WatchCommand =
  | ServiceCommand<"status">
  | ServiceCommand<"stats">
  | ServiceCommand<"ready">
  | TopCommand
  | EventsCommand;

export function parseWatch(verb: WatchCommand["verb"], words: Words): WatchCommand {
  switch (verb) {
    case "status":
    case "stats":
    case "ready":
      return serviceCommand(verb, words);
    case "top":
      return parseTop(words);
    case "events":
      return parseEvents(words);
  }
}
