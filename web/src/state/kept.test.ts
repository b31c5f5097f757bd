import { expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Judged } from "../api/types";
import { keptStage, revived, versionOf, within } from "./kept";
import type { Item, Stage } from "./queue";

const judged = { verdict: "FAKE" } as Judged;
const waiting: Stage = { at: "waiting", notBefore: 0, tries: 0 };
const done: Stage = { at: "done", judged, answer: { verdict: "right", note: "n" } };
const failed: Stage = { at: "failed", problem: new Problem(422, "corrupt", "d") };

it.each([
  ["waiting", waiting, waiting],
  ["postponed", { at: "waiting", notBefore: 9, tries: 3 }, waiting],
  ["being sent", { at: "sending", share: 0.5, tries: 1 }, waiting],
  ["being judged", { at: "judging", tries: 1 }, waiting],
  ["done", done, done],
  ["failed", failed, failed],
] as const)("an image that was %s comes back", (_, before, after) => {
  // As IndexedDB keeps it.
  expect(revived(structuredClone(keptStage(before)))).toEqual(after);
});

it("writes a stage again only when it has changed for good", () => {
  const sending: Stage = { at: "sending", share: 0.1, tries: 1 };
  expect(versionOf(sending)).toBe(versionOf({ at: "judging", tries: 1 }));
  expect(versionOf(sending)).toBe(versionOf(waiting));
  expect(versionOf(done)).not.toBe(versionOf({ ...done, answer: null }));
  expect(versionOf(done)).not.toBe(versionOf({ ...done, answer: { verdict: "right", note: "n" } }));
  expect(versionOf(failed)).not.toBe(versionOf(waiting));
});

const sized = (key: number, bytes: number, evidence = 0): Item => ({
  key,
  name: "",
  file: new File([new Uint8Array(bytes)], ""),
  stage: { at: "done", judged: { evidence: [{ png: "x".repeat(evidence) }] } as Judged, answer: null },
});

it.each([
  ["all", [sized(1, 5), sized(2, 5)], { images: 2, bytes: 10 }, [1, 2]],
  ["the first, by number", [sized(1, 5), sized(2, 5)], { images: 1, bytes: 10 }, [1]],
  ["those that fit, by size", [sized(1, 5), sized(2, 6), sized(3, 5)], { images: 9, bytes: 10 }, [1, 3]],
  ["with the size of the evidence", [sized(1, 5, 1), sized(2, 5)], { images: 9, bytes: 10 }, [1]],
  ["none", [], { images: 9, bytes: 9 }, []],
])("keeps %s", (_, items, limits, keys) => {
  expect(within(items, limits).map(({ key }) => key)).toEqual(keys);
});
