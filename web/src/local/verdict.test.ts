import { expect, it } from "vitest";
import type { BundleInfo, Calibration } from "./bundle";
import { calibratedEvidence, judge, logistic, oddsOf, type Region } from "./verdict";

const platt: Calibration = { slope: 2, bias: -1, points: [], prior: 0.5 };
const isotonic: Calibration = {
  slope: 1,
  bias: 0,
  points: [
    [-1, 0.2],
    [1, 0.6],
  ],
  prior: 0.5,
};

it.each([
  ["Platt scaling", platt, 0.5, 0.5],
  ["another prior: odds of 1 to 3", { ...platt, prior: 0.25 }, 0.5, 0.25],
  ["between points", isotonic, 0, 0.4],
  ["below the points", isotonic, -9, 0.2],
  ["above the points", isotonic, 9, 0.6],
  ["at the last point", isotonic, 1, 0.6],
])("calibrates: %s", (_, calibration, logit, probability) => {
  expect(logistic(oddsOf(calibration, logit))).toBeCloseTo(probability, 12);
});

it("calibrates evidence so that its mean is the log odds", () => {
  for (const calibration of [platt, isotonic]) {
    const cells = calibratedEvidence(calibration, Float32Array.of(0, 1), 0.5);
    expect(((cells[0] ?? 0) + (cells[1] ?? 0)) / 2).toBeCloseTo(oddsOf(calibration, 0.5), 6);
  }
});

const info = {
  main_face: 0.4,
  uncertain: { low: 0.4, high: 0.6 },
  preprocessing: { faces: {} },
} as unknown as BundleInfo;

const region = (side: number | null, probability: number) =>
  ({ face: side === null ? null : { box: [0, 0, side, side], score: 1 }, probability }) as unknown as Region;

it.each([
  ["a fake face", [region(100, 0.9)], 0.5, "FAKE", 0.9],
  ["a real face", [region(100, 0.1)], 0.5, "REAL", 0.1],
  ["inside the band, whatever the threshold", [region(100, 0.4)], 0.3, "UNCERTAIN", 0.4],
  ["no face", [region(null, 0.9)], 0.5, "NO_FACE", 0.9],
  ["the most suspicious main face decides", [region(100, 0.1), region(40, 0.9)], 0.5, "FAKE", 0.9],
  ["a bystander does not", [region(100, 0.1), region(39, 0.9)], 0.5, "REAL", 0.1],
])("judges: %s", (_, regions, threshold, verdict, probability) => {
  expect(judge(info, threshold, regions)).toMatchObject({ verdict, probability });
});

it("abstains on a small face", () => {
  const careful = { ...info, abstention: { smallest_face: 50 } };
  expect(judge(careful, 0.5, [region(49, 0.9)])).toMatchObject({ verdict: "UNCERTAIN", result: "FAKE" });
  expect(judge(careful, 0.5, [region(50, 0.9)])).toMatchObject({ verdict: "FAKE", doubts: [] });
});
