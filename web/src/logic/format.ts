/** Numbers, sizes and times as the reader's language writes them. */

/** A share in [0, 1] as a percentage that never claims certainty: 0.99996 is "> 99.9 %". */
export function percent(share: number, locale: string, digits = 0): string {
  const format = (value: number, most: number) =>
    new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: most }).format(value);
  const least = 10 ** -(digits + 2);
  if (share > 1 - least / 2 && share > 0.5) return `> ${format(1 - least, digits)}`;
  if (share < least / 2) return `< ${format(least, digits)}`;
  return format(share, digits);
}

/** A share as a count of 100: 0.786 is 79; a share that is not quite none is at least 1. */
export function ofHundred(share: number): number {
  return share > 0 ? Math.max(1, Math.round(100 * share)) : 0;
}

export function bytes(count: number, locale: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3));
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: units[step],
    maximumFractionDigits: step > 1 ? 1 : 0,
  }).format(count / 1000 ** step);
}

export function dateTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** A measured figure with three significant digits. */
export function figure(value: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 }).format(value);
}
