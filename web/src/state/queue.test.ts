import { describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Judged } from "../api/types";
import { askAgainAt, AT_ONCE, due, emptyQueue, type Happening, nextDue, reduce, triesOf } from "./queue";

const judged = { result: "REAL" } as Judged;
const problem = new Problem(422, "corrupt", "");

const added = (...keys: number[]): Happening => ({
  what: "added",
  items: keys.map((key) => ({ key, file: new File([], `${key}`), name: `${key}` })),
});
const after = (...happenings: Happening[]) => happenings.reduce(reduce, emptyQueue);
const stages = (...happenings: Happening[]) => after(...happenings).items.map(({ stage }) => stage.at);
const dueKeys = (now: number, ...happenings: Happening[]) => due(after(...happenings), now).map(({ key }) => key);

describe("the way of an image", () => {
  it("is waiting, sending, judging, done", () => {
    const way: Happening[] = [
      added(1),
      { what: "sent", key: 1, share: 0.5 },
      { what: "sent", key: 1, share: 1 },
      { what: "done", key: 1, judged },
    ];
    expect(way.map((_, step) => stages(...way.slice(0, step + 1))[0])).toEqual([
      "waiting",
      "sending",
      "judging",
      "done",
    ]);
  });

  it("keeps what was said of its verdict", () => {
    const answer = { verdict: "wrong" as const, note: "n" };
    const queue = after(added(1), { what: "done", key: 1, judged }, { what: "answered", key: 1, answer });
    expect(queue.items[0]?.stage).toEqual({ at: "done", judged, answer });
  });

  it("may end in a problem and begin again", () => {
    expect(stages(added(1, 2), { what: "failed", key: 1, problem }, { what: "retried", keys: [1] })).toEqual([
      "waiting",
      "waiting",
    ]);
  });

  it("ends when it is removed, whatever its request says later", () => {
    expect(stages(added(1), { what: "removed", keys: [1] }, { what: "done", key: 1, judged })).toEqual([]);
  });
});

describe("what is due", () => {
  it("is as many as there is room for, in order", () => {
    expect(dueKeys(0, added(1, 2, 3, 4))).toEqual([1, 2].slice(0, AT_ONCE));
    expect(dueKeys(0, added(1, 2, 3), { what: "sent", key: 1, share: 0 })).toEqual([2]);
    expect(dueKeys(0, added(1, 2, 3), { what: "sent", key: 1, share: 0 }, { what: "sent", key: 2, share: 1 })).toEqual(
      [],
    );
  });

  it("leaves out what was postponed, until its time", () => {
    const happenings: Happening[] = [
      added(1, 2),
      { what: "sent", key: 1, share: 0 },
      { what: "postponed", key: 1, until: 500 },
    ];
    expect(dueKeys(499, ...happenings)).toEqual([2]);
    expect(nextDue(after(...happenings), 499)).toBe(500);
    expect(dueKeys(500, ...happenings)).toEqual([1, 2]);
    expect(nextDue(after(...happenings), 500)).toBeNull();
  });

  it("counts tries over postponements, once each", () => {
    const again: Happening[] = [
      { what: "sent", key: 1, share: 0 },
      { what: "sent", key: 1, share: 0.4 },
      { what: "postponed", key: 1, until: 0 },
    ];
    const item = after(added(1), ...again, ...again).items[0];
    expect(item && triesOf(item.stage)).toBe(2);
  });
});

it("asks a busy service when it said, or ever later", () => {
  expect(askAgainAt(100, new Problem(429, "", "", 3), 1)).toBe(3100);
  expect([1, 2, 3, 9].map((tries) => askAgainAt(0, new Problem(429, "", ""), tries))).toEqual([
    1000, 2000, 4000, 30000,
  ]);
});

describe("the choice", () => {
  it("falls on the first, and stays when more come", () => {
    expect(after(added(1, 2), added(3)).chosen).toBe(1);
  });

  it.each([
    [2, [2], 3],
    [3, [3], 2],
    [2, [2, 3], 1],
    [1, [2], 1],
    [1, [1, 2, 3], null],
  ])("of %i, with %o removed, falls on %o", (key, keys, chosen) => {
    expect(after(added(1, 2, 3), { what: "chosen", key }, { what: "removed", keys }).chosen).toBe(chosen);
  });
});
