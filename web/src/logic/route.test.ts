import { expect, it } from "vitest";
import { addressOf, noFilter, parseRoute, type Route } from "./route";

it.each<Route>([
  { view: "check" },
  { view: "detector" },
  { view: "history", ...noFilter },
  { view: "history", query: "a&b=c d#é", verdict: "FAKE", feedback: "none" },
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
  expect(parseRoute("#/history?verdict=MAYBE&feedback=loud&other=1")).toEqual({ view: "history", ...noFilter });
});
