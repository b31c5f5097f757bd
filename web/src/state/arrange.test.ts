import { describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Judged } from "../api/types";
import { groupsOf, inGroup, neighbour, sorted, totals } from "./arrange";
import type { Item, Stage } from "./queue";

const done = (verdict: Judged["verdict"], fake_probability: number, marked = false): Stage => ({
  at: "done",
  judged: { verdict, fake_probability, marks: marked ? [{ kind: "generator", text: "" }] : [] } as unknown as Judged,
  answer: null,
});
const item = (key: number, name: string, stage: Stage): Item => ({ key, name, file: new File([], name), stage });

const items = [
  item(1, "b10.jpg", done("REAL", 0.1, true)),
  item(2, "b9.jpg", { at: "failed", problem: new Problem(422, "corrupt", "") }),
  item(3, "a.jpg", { at: "waiting", notBefore: 0, tries: 0 }),
  item(4, "c.jpg", done("NO_FACE", 0.99)),
  item(5, "B.jpg", done("FAKE", 0.98)),
  item(6, "d.jpg", done("UNCERTAIN", 0.5, true)),
  item(7, "e.jpg", { at: "judging", tries: 1 }),
];
const keys = (of: readonly Item[]) => of.map(({ key }) => key);

it("counts images by verdict, and by marks as well", () => {
  expect(totals(items)).toEqual({ FAKE: 1, UNCERTAIN: 1, REAL: 1, NO_FACE: 1, MARKS: 2, FAILED: 1, PENDING: 2 });
  expect(items.map(groupsOf)[0]).toEqual(["REAL", "MARKS"]);
});

it("sorts equally suspicious images by their marks", () => {
  const equal = [item(1, "", done("FAKE", 0.9)), item(2, "", done("FAKE", 0.9, true)), item(3, "", done("REAL", 0.1))];
  expect(keys(sorted(equal, "suspicion"))).toEqual([2, 1, 3]);
});

it.each([
  ["added", [1, 2, 3, 4, 5, 6, 7]],
  // Without a number: no face, then pending, then failed.
  ["suspicion", [5, 6, 1, 4, 3, 7, 2]],
  // As people sort names: without case, and 9 before 10.
  ["name", [3, 5, 2, 1, 4, 6, 7]],
] as const)("sorts by %s", (order, expected) => {
  expect(keys(sorted(items, order))).toEqual(expected);
});

describe("the neighbour of the chosen image", () => {
  it.each([
    ["the next", null, 1, 1, 2],
    ["the one before", null, 3, -1, 2],
    ["none after the last", null, 7, 1, null],
    ["none before the first", null, 1, -1, null],
    ["the first, if none is chosen", null, null, 1, 1],
    ["the next that is listed", "MARKS", 1, 1, 6],
    ["the next after one that is not listed", "MARKS", 4, 1, 6],
    ["the one before one that is not listed", "MARKS", 4, -1, 1],
  ] as const)("is %s", (_, filter, chosen, by, expected) => {
    expect(neighbour(items, filter, chosen, by)).toBe(expected);
  });
});

it("filters", () => {
  expect(keys(items.filter((one) => inGroup(one, "PENDING")))).toEqual([3, 7]);
  expect(items.every((one) => inGroup(one, null))).toBe(true);
});
