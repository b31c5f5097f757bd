import { describe as group, expect, it } from "vitest";
import { Problem } from "../api/problem";
import { en } from "../strings/en";
import { describe, mayRetry } from "./problemWords";

group("the words for a problem", () => {
  it("go by code first, and then need no detail", () => {
    const words = describe(Problem.fromResponse(422, '{"code": "truncated", "detail": "x"}', null), en);
    expect(words).toEqual({ text: en.problems.codes.truncated, detail: "" });
  });

  it("go by status if the code is unknown, with the service's own message", () => {
    const words = describe(Problem.fromResponse(422, '{"code": "new", "detail": "It is blue."}', null), en);
    expect(words).toEqual({ text: en.problems.statuses[422], detail: "It is blue." });
  });

  it("say when to try again", () => {
    expect(describe(Problem.fromResponse(429, "", "1"), en).text).toContain("in a second");
    expect(describe(Problem.fromResponse(429, "", "7"), en).text).toContain("in 7 seconds");
  });

  it.each(["", "<html>", "null", "[1]", '{"code": 7}'])("survive an invalid body: %s", (body) => {
    expect(describe(Problem.fromResponse(418, body, "soon"), en)).toEqual({ text: en.problems.unknown, detail: "" });
  });

  it("say that the service did not respond", () => {
    expect(describe(Problem.offline(), en).text).toBe(en.problems.offline);
  });
});

it("reads a date in Retry-After", () => {
  const inOneMinute = new Date(Date.now() + 60_000).toUTCString();
  const { retryAfter } = Problem.fromResponse(503, "", inOneMinute);
  expect(retryAfter).toBeGreaterThan(50);
  expect(retryAfter).toBeLessThanOrEqual(60);
});

it("offers another try only if it may help", () => {
  expect([0, 401, 408, 429, 500, 503].every((status) => mayRetry({ status }))).toBe(true);
  expect([404, 413, 415, 422].some((status) => mayRetry({ status }))).toBe(false);
});
