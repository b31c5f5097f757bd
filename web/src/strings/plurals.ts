/**
 * The form of a phrase that a count takes in a language; `#` in it becomes the count, written as in that language.
 * For languages with two forms; one with more needs a function of its own.
 */
export function plurals(language: string): (count: number, one: string, other: string) => string {
  const rules = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  return (count, one, other) => (rules.select(count) === "one" ? one : other).replace("#", number.format(count));
}
