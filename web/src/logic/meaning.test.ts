import { describe, expect, it } from "vitest";
import type { Model, Verdict } from "../api/types";
import { meaning, scaleOf, shareOf } from "./meaning";

const face = { box: [0, 0, 9, 9] as [number, number, number, number], fake_probability: 0.97 };
const fake: Verdict = {
  verdict: "FAKE",
  fake_probability: 0.97,
  result: "FAKE",
  confidence: 97,
  uncertain: false,
  faces: [face],
  face_found: true,
  marks: [],
  notes: [],
  provenance: null,
  model: "m@1",
  bundle_sha256: "b1",
  ms: 1,
  error: null,
};
const real: Verdict = { ...fake, verdict: "REAL", result: "REAL", fake_probability: 0.1 };
const unsure: Verdict = { ...fake, verdict: "UNCERTAIN", fake_probability: 0.8, uncertain: true };
const faceless: Verdict = { ...unsure, verdict: "NO_FACE", faces: [], face_found: false };
const unread: Verdict = { ...fake, verdict: null, result: null, fake_probability: null };
const model = {
  bundle_sha256: "b1",
  threshold: 0.745,
  threshold_name: "fpr_5",
  uncertain: { low: 0.28, high: 0.96, accuracy_outside: 0.9, coverage: 0.8 },
  thresholds: [
    { name: "fpr_1", false_positive_budget: 0.01, fake_probability: 0.956, true_positive_rate: 0.545 },
    { name: "fpr_5", false_positive_budget: 0.05, fake_probability: 0.745, true_positive_rate: 0.787 },
  ],
} as Model;
const kinds = (verdict: Verdict, of: Model | null = model) => meaning(verdict, of).map(({ kind }) => kind);

it("has no number without a face or a verdict", () => {
  expect([fake, unsure, faceless, unread].map(shareOf)).toEqual([0.97, 0.8, null, null]);
});

describe("the scale", () => {
  const limits = { threshold: 0.745, low: 0.28, high: 0.96 };

  it.each([
    ["fake", fake, limits],
    ["real", real, limits],
    ["uncertain", unsure, limits],
    ["of another detector", { ...fake, bundle_sha256: "b0" }, null],
    ["of another threshold: fake below it", { ...fake, fake_probability: 0.1 }, null],
    ["of another threshold: real above it", { ...real, fake_probability: 0.97 }, null],
    ["of another band: uncertain outside of it", { ...unsure, fake_probability: 0.97 }, null],
    ["of another band: fake within it", { ...fake, fake_probability: 0.9 }, null],
  ])("shows limits only if the word follows from them: %s", (_, verdict, shown) => {
    expect(scaleOf(verdict, model)?.limits).toEqual(shown);
  });

  it("has enough digits to show the side of the threshold", () => {
    const narrow = { ...model, uncertain: { ...model.uncertain, low: 0.5, high: 0.6 } };
    expect(scaleOf({ ...fake, fake_probability: 0.7451 }, narrow)?.digits).toBe(2);
    expect(scaleOf({ ...real, fake_probability: 0.7449 }, narrow)?.digits).toBe(2);
    expect(scaleOf(fake, narrow)?.digits).toBe(1);
  });

  it("is left out without a face, and has no limits without a detector", () => {
    expect(scaleOf(faceless, model)).toBeNull();
    expect(scaleOf(unread, model)).toBeNull();
    expect(scaleOf(fake, null)).toEqual({ share: 0.97, limits: null, digits: 1 });
  });
});

describe("the meaning of a verdict", () => {
  it("names the threshold in use and its rates", () => {
    expect(meaning(fake, model)).toEqual([
      { kind: "chance" },
      { kind: "threshold", threshold: 0.745, rates: { falseAlarms: 5, found: 79 } },
    ]);
  });

  it("gives no rates for a custom threshold", () => {
    expect(meaning(fake, { ...model, threshold: 0.6, threshold_name: null })).toContainEqual({
      kind: "threshold",
      threshold: 0.6,
      rates: null,
    });
  });

  it("gives no limits if the detector is unknown", () => {
    expect(kinds(fake, null)).toEqual(["chance"]);
  });

  it("says that no sign is no proof", () => {
    expect(kinds(real)).toEqual(["noSign", "chance", "threshold"]);
  });

  it("says if verdicts were often wrong there, instead of the threshold", () => {
    expect(meaning(unsure, model)).toEqual([{ kind: "chance" }, { kind: "uncertain", low: 0.28, high: 0.96 }]);
  });

  it("says only that no face was found", () => {
    expect(kinds({ ...faceless, out_of_distribution: { flagged: true } })).toEqual(["noFace"]);
  });

  it.each([
    ["the likely kind of a fake", fake, { generated: 0.2, manipulated: 0.9 }, { kind: "likely", name: "manipulated" }],
    ["no kind that is not likely", fake, { generated: 0.5, manipulated: 0.1 }, null],
    ["no kind of what is not fake", real, { generated: 0.9 }, null],
    ["no kind if the detector does not say", fake, null, null],
  ])("names %s", (_, verdict, asked, sentence) => {
    const found = meaning({ ...verdict, kinds: asked }, model).find(({ kind }) => kind === "likely");
    expect(found ?? null).toEqual(sentence);
  });

  it("says if the image is unlike the training images", () => {
    expect(kinds({ ...fake, out_of_distribution: { flagged: true } })).toContain("unlike");
    expect(kinds({ ...fake, out_of_distribution: { flagged: false } })).not.toContain("unlike");
  });

  it("says how several faces give one verdict", () => {
    expect(meaning({ ...fake, faces: [face, face] }, model)).toContainEqual({ kind: "severalFaces", count: 2 });
  });

  it("is empty without a verdict", () => {
    expect(kinds(unread)).toEqual([]);
  });
});
