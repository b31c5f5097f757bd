/** Routes in the part of the address after `#`, so that one file serves all views. */

import type { Answer } from "../api/types";
import { type Word, WORDS } from "./meaning";

/** A filter for the history; "" matches noFilter. */
export interface Filter {
  query: string;
  verdict: "" | Word;
  /** Only images with marks of origin. */
  marked: boolean;
  feedback: "" | Answer["verdict"] | "none";
}

export const noFilter: Filter = { query: "", verdict: "", marked: false, feedback: "" };

export type Route =
  | { view: "check" }
  | { view: "clips" }
  | ({ view: "history" } & Filter)
  | { view: "record"; id: string }
  | { view: "detector" };

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, id] = path.split("/", 2);
  if (view === "history" && id) return { view: "record", id: decode(id) };
  if (view === "history") {
    const fields = new URLSearchParams(search);
    return {
      view,
      query: fields.get("query") ?? "",
      verdict: oneOf(WORDS, fields.get("verdict")),
      marked: fields.get("marked") === "true",
      feedback: oneOf(["right", "wrong", "unsure", "none"], fields.get("feedback")),
    };
  }
  return { view: view === "detector" || view === "clips" ? view : "check" };
}

export function addressOf(route: Route): string {
  switch (route.view) {
    case "check":
      return "#/";
    case "clips":
      return "#/clips";
    case "detector":
      return "#/detector";
    case "record":
      return `#/history/${encodeURIComponent(route.id)}`;
    case "history": {
      const fields = new URLSearchParams();
      for (const name of ["query", "verdict", "marked", "feedback"] as const)
        if (route[name]) fields.set(name, String(route[name]));
      return fields.size > 0 ? `#/history?${fields}` : "#/history";
    }
  }
}

function oneOf<T extends string>(values: readonly T[], text: string | null): T | "" {
  return values.find((value) => value === text) ?? "";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
