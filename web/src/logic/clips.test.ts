import { expect, it } from "vitest";
import { clock, frameAt, isClip, nearest, placeByKey } from "./clips";

it.each([
  ["a.mp4", "video/mp4", true],
  ["a.MKV", "", true],
  ["a.mkv", "application/octet-stream", true],
  ["a.jpg", "image/jpeg", false],
  ["a.gif", "image/gif", false],
  ["mp4.txt", "text/plain", false],
])("%s of type %o is a clip: %o", (name, type, expected) => {
  expect(isClip({ name, type })).toBe(expected);
});

it.each([
  [0, "0:00.0"],
  [5.26, "0:05.3"],
  [59.96, "1:00.0"],
  [65, "1:05.0"],
  [3665.3, "1:01:05.3"],
])("%f seconds are %s", (seconds, expected) => {
  expect(clock(seconds, "en-GB")).toBe(expected);
});

const frames = [1, 2, 3, 4, 5, 6, 7, 8].map((time_s) => ({ time_s, box: [0, 0, 1, 1], fake_probability: 0.5 }));

it.each([
  [0, 0],
  [1.4, 0],
  [1.6, 1],
  [99, 7],
])("the frame nearest to %f s is number %i", (time, expected) => {
  expect(nearest(frames, time)).toBe(expected);
});

it.each([
  ["ArrowRight", 0, 0],
  ["ArrowRight", 1, 1],
  ["ArrowRight", 1.01, 1],
  ["ArrowRight", 8, 7],
  ["ArrowLeft", 2, 0],
  ["ArrowLeft", 2.5, 1],
  ["ArrowLeft", 0.5, 0],
  ["PageUp", 1, 5],
  ["PageDown", 8, 2],
  ["Home", 5, 0],
  ["End", 5, 7],
  ["x", 5, null],
])("%s at %f s goes to frame %o", (key, time, expected) => {
  expect(placeByKey(frames, time, key)).toBe(expected);
});

it("shows a frame only near its time", () => {
  const track = { frames: frames.slice(0, 3) as never[] };
  expect(frameAt(track, 1.4)).toBe(frames[0]);
  expect(frameAt(track, 3.5)).toBe(frames[2]);
  expect(frameAt(track, 3.6)).toBeNull();
  expect(frameAt({ frames: [] }, 1)).toBeNull();
  expect(nearest([], 1)).toBe(-1);
});
