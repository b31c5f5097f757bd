import { expect, it } from "vitest";
import { noFilter } from "../logic/route";
import { historyFields } from "./client";

it.each([
  [noFilter, null, ""],
  [noFilter, "c=1", "cursor=c%3D1"],
  [{ ...noFilter, verdict: "FAKE" as const }, null, "uncertain=false&result=FAKE"],
  [{ ...noFilter, verdict: "UNCERTAIN" as const }, null, "uncertain=true"],
  [{ query: "a b", verdict: "" as const, feedback: "none" as const }, null, "query=a+b&feedback=none"],
])("asks for %o at %s with %s", (filter, cursor, fields) => {
  expect(historyFields(filter, cursor).toString()).toBe(fields);
});
