import { expect, it } from "vitest";
import { choose, LANGUAGES, language, setLanguage, t } from ".";
import { de } from "./de";
import { en } from "./en";
import { plurals } from "./plurals";

it.each([
  [["de-CH", "en"], null, "de", "de-CH"],
  [["pt-BR", "de"], null, "pt-BR", "pt-BR"],
  [["fr", "de"], null, "de", "de"],
  [["en-GB"], null, "en", "en-GB"],
  [["fr"], null, "en", "en"],
  [[], null, "en", "en"],
  [["constructor"], null, "en", "en"],
  // The reader's choice comes first, with numbers as at home.
  [["en-GB", "de-AT"], "de", "de", "de-AT"],
  [["en-GB"], "de", "de", "de"],
  [["de"], "en", "en", "en"],
  // A choice that is no longer there, or never was.
  [["de-CH"], "fr", "de", "de-CH"],
  [["de-CH"], "constructor", "de", "de-CH"],
])("from %o and the choice %s follows %s, with numbers as in %s", (preferred, earlier, language, locale) => {
  expect(choose<string>(preferred, { en: 0, de: 0, "pt-BR": 0 }, earlier)).toEqual({ language, locale });
});

it("imports see another language after a change", () => {
  for (const name of ["de", "en"] as const) {
    setLanguage(name);
    expect(language).toBe(name);
    expect(t).toBe({ en, de }[name]);
  }
  expect(Object.keys(LANGUAGES)).toEqual(["en", "de"]);
});

it.each([
  ["en", 0, "0 images"],
  ["en", 1, "1 image"],
  ["en", 1234, "1,234 images"],
  ["de", 1, "1 image"],
  ["de", 1234, "1.234 images"],
])("in %s, %i is %s", (name, count, words) => {
  expect(plurals(name)(count, "1 image", "# images")).toBe(words);
});

/** Every text with its place, those with values filled in with 7, 11, 13 and 17. */
function texts(of: object, place = ""): [string, string][] {
  return Object.entries(of).flatMap(([key, value]: [string, unknown]) => {
    const here = `${place}.${key}`;
    if (typeof value === "object" && value !== null) return texts(value, here);
    const text = typeof value === "function" ? (value as (...of: number[]) => string)(7, 11, 13, 17) : value;
    return [[here, text as string]];
  });
}

const inEnglish = new Map(texts(en));

it("German says the same numbers, names and formats", () => {
  const same = (text: string) => text.match(/\d+|\b[A-Z]\w*[A-Z]\w*\b|\bunmask (?:train|calibrate)\b/g)?.sort() ?? [];
  for (const [place, text] of texts(de)) expect(same(text), place).toEqual(same(inEnglish.get(place) ?? ""));
});

it("German is German", () => {
  const alike = texts(de).filter(([place, text]) => inEnglish.get(place) === text);
  expect(new Set(alike.map(([, text]) => text))).toEqual(
    new Set([
      "CSV",
      "JSON",
      "Zoom",
      "Token",
      "Format",
      "Software",
      "IPTC",
      "Name",
      "Position, px",
      "Export",
      "Manifest (CSV)",
      "7 s",
      "7 ms",
      "7: 11",
    ]),
  );
});

it("no German text calls a verdict a proof", () => {
  const proofs = texts(de).filter(([, text]) => /bewei/i.test(text));
  expect(proofs.length).toBeGreaterThan(2);
  for (const [place, text] of proofs) expect(text, place).toMatch(/kein Beweis|beweist nicht/);
});
