import { expect, it } from "vitest";
import { addressOf, everything, parseRoute, type Route } from "./route";

it.each<Route>([
  { view: "check" },
  { view: "detector" },
  { view: "history", ...everything },
  { view: "history", query: "a&b=c d#é", verdict: "FAKE", feedback: "none" },
  { view: "record", id: "0b6c/../x?y" },
])("goes to an address and back: %o", (route) => {
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

it("takes no filter that it does not know", () => {
  expect(parseRoute("#/history?verdict=MAYBE&feedback=loud&other=1")).toEqual({ view: "history", ...everything });
});
