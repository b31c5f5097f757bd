import { expect, it } from "vitest";
import { noFilter } from "../logic/route";
import { historyFields } from "./client";

it.each([
  [noFilter, null, ""],
  [noFilter, "c=1", "cursor=c%3D1"],
  [{ ...noFilter, verdict: "NO_FACE" as const }, null, "verdict=NO_FACE"],
  [{ ...noFilter, marked: true }, "c", "marked=true&cursor=c"],
  [{ ...noFilter, query: "a b", feedback: "none" as const }, null, "query=a+b&feedback=none"],
])("asks for %o at %s with %s", (filter, cursor, fields) => {
  expect(historyFields(filter, cursor).toString()).toBe(fields);
});
