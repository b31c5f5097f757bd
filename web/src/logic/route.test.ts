import { expect, it } from "vitest";
import { addressOf, noFilter, parseRoute, type Route } from "./route";

it.each<Route>([
  { view: "check" },
  { view: "detector" },
  { view: "history", ...noFilter },
  { view: "history", query: "a&b=c d#é", verdict: "NO_FACE", marked: true, feedback: "none" },
  { view: "record", id: "0b6c/../x?y" },
])("survives the address: %o", (route) => {
  expect(parseRoute(addressOf(route))).toEqual(route);
});

it.each([
  ["", "check"],
  ["#", "check"],
  ["#/nowhere", "check"],
  ["#/history/", "history"],
  ["#/history/%", "record"],
])("reads %s as %s", (hash, view) => {
  expect(parseRoute(hash).view).toBe(view);
});

it("ignores unknown filters", () => {
  expect(parseRoute("#/history?verdict=MAYBE&marked=maybe&feedback=loud&other=1")).toEqual({
    view: "history",
    ...noFilter,
  });
});
