import { expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Judged } from "../api/types";
import { resultsAsCsv, resultsAsJson } from "./batch";
import type { Item, Stage } from "./queue";

const judged: Judged = {
  path: null,
  verdict: "FAKE",
  fake_probability: 0.972,
  result: "FAKE",
  confidence: 97.2,
  uncertain: false,
  face_found: true,
  faces: [
    { box: [1, 2.5, 30, 40], fake_probability: 0.972 },
    { box: [5, 6, 7, 8], fake_probability: 0.1 },
  ],
  marks: [
    { kind: "generator", text: "The file names Stable Diffusion as its software." },
    { kind: "settings", text: "It holds settings." },
  ],
  notes: ["One.", "Two."],
  sha256: "ab",
  provenance: null,
  model: "m@1",
  bundle_sha256: "b",
  ms: 3,
  error: null,
  filename: "x.jpg",
  id: "i",
  evidence: [{ box: [0, 0, 1, 1], png: "data:" }],
};
const item = (name: string, stage: Stage): Item => ({ key: 1, name, file: new File([], name), stage });
const items = [
  item("=1+1.jpg", { at: "done", judged, answer: null }),
  item("a, b.jpg", {
    at: "done",
    judged: { ...judged, verdict: "NO_FACE", uncertain: true, face_found: false, faces: [], marks: [], notes: [] },
    answer: null,
  }),
  item("broken.jpg", { at: "failed", problem: new Problem(422, "truncated", "It ends early.") }),
  item("odd.jpg", { at: "failed", problem: new Problem(500, "", "") }),
  item("later.jpg", { at: "waiting", notBefore: 0, tries: 0 }),
];

it("writes the columns of unmask detect --csv, with names that no spreadsheet runs, and no number without a face", () => {
  expect(resultsAsCsv(items)).toBe(
    [
      "path,verdict,fake_probability,result,confidence,uncertain,face_found,faces,boxes,marks,notes,sha256,model,error",
      "'=1+1.jpg,FAKE,0.972,FAKE,97.2,False,True,2,1 2.5 30 40; 5 6 7 8," +
        "The file names Stable Diffusion as its software.; It holds settings.,One. Two.,ab,m@1,",
      '"a, b.jpg",NO_FACE,,,,True,False,0,,,,ab,m@1,',
      "broken.jpg,,,,,,,,,,,,,truncated",
      "odd.jpg,,,,,,,,,,,,,http_500",
      "",
    ].join("\n"),
  );
});

it("writes the fields of unmask detect --json in their order", () => {
  const list = JSON.parse(resultsAsJson(items)) as object[];
  expect(Object.keys(list[0] ?? {})).toEqual(
    Object.keys(judged).filter((field) => !["filename", "id", "evidence"].includes(field)),
  );
  expect(list.map((fields) => ("path" in fields ? fields.path : null))).toEqual([
    "=1+1.jpg",
    "a, b.jpg",
    "broken.jpg",
    "odd.jpg",
  ]);
  expect(list[2]).toEqual({
    path: "broken.jpg",
    verdict: null,
    error: { code: "truncated", message: "It ends early." },
  });
});
