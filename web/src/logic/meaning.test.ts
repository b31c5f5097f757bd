import { describe, expect, it } from "vitest";
import type { Model, Verdict } from "../api/types";
import { confidence, meaning, standing } from "./meaning";

const face = { box: [0, 0, 9, 9] as [number, number, number, number], fake_probability: 0.97 };
const fake: Verdict = {
  result: "FAKE",
  fake_probability: 0.97,
  uncertain: false,
  faces: [face],
  face_found: true,
  provenance: null,
  model: "m@1",
  bundle_sha256: "",
  ms: 1,
};
const model = {
  threshold: 0.745,
  threshold_name: "fpr_5",
  uncertain: { low: 0.28, high: 0.96 },
  thresholds: [
    { name: "fpr_1", false_positive_budget: 0.01, fake_probability: 0.956, true_positive_rate: 0.545 },
    { name: "fpr_5", false_positive_budget: 0.05, fake_probability: 0.745, true_positive_rate: 0.787 },
  ],
} as Model;
const kinds = (verdict: Verdict, of: Model | null = model) => meaning(verdict, of).map(({ kind }) => kind);

describe("the meaning of a verdict", () => {
  it("names the threshold in use and its rates", () => {
    expect(meaning(fake, model)).toEqual([
      { kind: "chance", share: 0.97 },
      { kind: "threshold", cut: 0.745, rates: { falseAlarms: 5, found: 79 } },
    ]);
  });

  it("gives no rates for a custom threshold", () => {
    expect(meaning(fake, { ...model, threshold: 0.6, threshold_name: null })).toContainEqual({
      kind: "threshold",
      cut: 0.6,
      rates: null,
    });
  });

  it("gives only the probability if the detector is unknown", () => {
    expect(kinds({ ...fake, uncertain: true }, null)).toEqual(["chance"]);
  });

  it("says if verdicts were often wrong there", () => {
    expect(meaning({ ...fake, uncertain: true }, model)).toContainEqual({ kind: "uncertain", low: 0.28, high: 0.96 });
  });

  it("says instead that no face was found", () => {
    expect(kinds({ ...fake, faces: [], face_found: false, uncertain: true })).toEqual([
      "chance",
      "threshold",
      "noFace",
    ]);
  });

  it("says if the image is unlike the training images", () => {
    expect(kinds({ ...fake, out_of_distribution: { flagged: true } })).toContain("unlike");
    expect(kinds({ ...fake, out_of_distribution: { flagged: false } })).not.toContain("unlike");
  });

  it("says how several faces give one verdict", () => {
    expect(meaning({ ...fake, faces: [face, face] }, model)).toContainEqual({ kind: "severalFaces", count: 2 });
  });

  it("is empty without a verdict", () => {
    expect(kinds({ ...fake, result: null, fake_probability: null })).toEqual([]);
  });
});

it("shows an uncertain verdict as uncertain", () => {
  expect(standing(fake)).toBe("FAKE");
  expect(standing({ result: "REAL", uncertain: true })).toBe("UNCERTAIN");
  expect(standing({ result: null, uncertain: false })).toBeNull();
});

it("is confident of the class in the result", () => {
  expect(confidence(fake)).toBe(0.97);
  expect(confidence({ result: "REAL", fake_probability: 0.25 })).toBe(0.75);
});
