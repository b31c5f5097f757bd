import { expect, it } from "vitest";
import { actionOf } from "./keys";

const plain = { ctrlKey: false, metaKey: false, altKey: false, isComposing: false, repeat: false };

it.each([
  ["j", "next"],
  ["k", "previous"],
  ["r", "right"],
  ["w", "wrong"],
  ["u", "unsure"],
  ["?", "help"],
  ["x", null],
  ["J", null],
  ["constructor", null],
])("%s means %s", (key, action) => {
  expect(actionOf({ ...plain, key }, null)).toBe(action);
});

it.each(["ctrlKey", "metaKey", "altKey", "isComposing"])("does nothing with %s", (held) => {
  expect(actionOf({ ...plain, key: "r", [held]: true }, null)).toBeNull();
});

it.each([
  [{ tagName: "TEXTAREA" }, false],
  [{ tagName: "SELECT" }, false],
  [{ tagName: "INPUT" }, false],
  [{ tagName: "INPUT", type: "search" }, false],
  [{ tagName: "INPUT", type: "password" }, false],
  [{ tagName: "DIV", isContentEditable: true }, false],
  [{ tagName: "INPUT", type: "radio" }, true],
  [{ tagName: "INPUT", type: "range" }, true],
  [{ tagName: "BUTTON", type: "button" }, true],
  [{ tagName: "H2" }, true],
])("in %o it works: %s", (focused, works) => {
  expect(actionOf({ ...plain, key: "j" }, focused) !== null).toBe(works);
});

it("runs through the list while held down, but gives no feedback again", () => {
  expect(actionOf({ ...plain, key: "j", repeat: true }, null)).toBe("next");
  expect(actionOf({ ...plain, key: "w", repeat: true }, null)).toBeNull();
});
