import { expect, it } from "vitest";
import { csv, harmless } from "./csv";

it.each(["=1+1", "+1", "-1", "@a", "\ta", "\ra"])("no formula is run: %j", (text) => {
  expect(harmless(text)).toBe(`'${text}`);
});

it.each(["a=1", "", "1", " =1"])("other text stays: %j", (text) => {
  expect(harmless(text)).toBe(text);
});

it("quotes what would break a cell", () => {
  expect(
    csv(
      ["a", "b"],
      [
        ['say "no"', "1,5"],
        ["two\nlines", null],
        [0.5, true],
      ],
    ),
  ).toBe('a,b\n"say ""no""","1,5"\n"two\nlines",\n0.5,true\n');
});
