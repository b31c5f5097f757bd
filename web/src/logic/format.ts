/** Numbers, sizes and times in the reader's language. */

/** A fraction in [0, 1] as a percentage that never claims certainty: 0.99996 is "> 99.9 %". */
export function percent(share: number, locale: string, digits = 0): string {
  const format = (value: number, most: number) =>
    spaced(new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: most }).format(value));
  const least = 10 ** -(digits + 2);
  if (share > 1 - least / 2 && share > 0.5) return `> ${format(1 - least, digits)}`;
  if (share < least / 2) return `< ${format(least, digits)}`;
  return format(share, digits);
}

/** A fraction in [0, 1] as a plain percentage, for progress and settings. */
export function wholePercent(fraction: number, locale: string): string {
  return spaced(new Intl.NumberFormat(locale, { style: "percent" }).format(fraction));
}

/** With a space before the percent sign, as in all of unmask; languages that write it first keep their way. */
function spaced(text: string): string {
  return text.replace(/(\d)%/, "$1\u00a0%");
}

/** Digits after the point of percentages, 1 to 4, that keep a fraction apart from limits that it is near to. */
export function digitsApart(share: number, limits: readonly number[]): number {
  const digits = [1, 2, 3];
  return (
    digits.find((most) => limits.every((limit) => share === limit || rounded(share, most) !== rounded(limit, most))) ??
    4
  );
}

const rounded = (share: number, digits: number) => (100 * share).toFixed(digits);

/** A fraction as a count per 100: 0.786 is 79; any fraction above 0 is at least 1. */
export function ofHundred(share: number): number {
  return share > 0 ? Math.max(1, Math.round(100 * share)) : 0;
}

export function bytes(count: number, locale: string): string {
  const units = ["bytes", "KiB", "MiB", "GiB"] as const;
  const step = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log2(count) / 10));
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: step > 1 ? 1 : 0 });
  return `${number.format(count / 1024 ** step)}\u00a0${units[step]}`;
}

export function dateTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** A measured value with three significant digits. */
export function figure(value: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 }).format(value);
}
