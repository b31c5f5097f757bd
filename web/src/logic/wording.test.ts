import { describe as group, expect, it } from "vitest";
import { Problem } from "../api/problem";
import { en } from "../strings/en";
import { describe, mayPass } from "./wording";

group("a problem in words", () => {
  it("goes by code before status, and then needs no more words", () => {
    const words = describe(Problem.fromAnswer(422, '{"code": "truncated", "detail": "x"}', null), en);
    expect(words).toEqual({ text: en.problems.codes.truncated, detail: "" });
  });

  it("goes by status where the code is unknown, with the service's own sentence", () => {
    const words = describe(Problem.fromAnswer(422, '{"code": "new", "detail": "It is blue."}', null), en);
    expect(words).toEqual({ text: en.problems.statuses[422], detail: "It is blue." });
  });

  it("says when to try again", () => {
    expect(describe(Problem.fromAnswer(429, "", "1"), en).text).toContain("in a second");
    expect(describe(Problem.fromAnswer(429, "", "7"), en).text).toContain("in 7 seconds");
  });

  it.each(["", "<html>", "null", "[1]", '{"code": 7}'])("survives a body that is none: %s", (body) => {
    expect(describe(Problem.fromAnswer(418, body, "soon"), en)).toEqual({ text: en.problems.unknown, detail: "" });
  });

  it("says that there was no answer", () => {
    expect(describe(Problem.offline(), en).text).toBe(en.problems.offline);
  });
});

it("reads a date in Retry-After", () => {
  const inOneMinute = new Date(Date.now() + 60_000).toUTCString();
  const { retryAfter } = Problem.fromAnswer(503, "", inOneMinute);
  expect(retryAfter).toBeGreaterThan(50);
  expect(retryAfter).toBeLessThanOrEqual(60);
});

it("offers another try only where it may help", () => {
  expect([0, 401, 408, 429, 500, 503].every((status) => mayPass({ status }))).toBe(true);
  expect([404, 413, 415, 422].some((status) => mayPass({ status }))).toBe(false);
});
