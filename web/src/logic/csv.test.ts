import { expect, it } from "vitest";
import { csv, harmless } from "./csv";

it.each(["=1+1", "+1", "-1", "@a", "\ta", "0012", "1e10", "12345678901234567890", "1.50", "0.00001"])(
  "a spreadsheet neither runs nor rewrites %j",
  (text) => {
    expect(harmless(text)).toBe(`'${text}`);
  },
);

it.each(["a=1", "", "1", "0.5", " =1", "'=1", "a\nb", "é 中.jpg"])("other text stays: %j", (text) => {
  expect(harmless(text)).toBe(text);
});

it.each([
  ["a control character", "a\u0007b", "a\\x07b"],
  ["a lone CR", "\ra", "\\ra"],
  ["CR LF", "a\r\nb", "a\nb"],
  ["the writing direction", "a\u202eb", "a\\u202eb"],
  ["a tag character", "a\u{e0041}", "a\\U000e0041"],
  ["a hard space", "a\u00a0b", "a\\xa0b"],
])("escapes %s", (_, text, shown) => {
  expect(harmless(text)).toBe(shown);
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
