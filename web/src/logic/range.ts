/** Positions of a value and its reference range on a bar, as fractions of its length in [0, 1]. */
export function placeOnRange(
  value: number,
  low: number | null,
  high: number | null,
): { value: number; low: number; high: number } | null {
  if (low === null || high === null) return null;
  // The range takes the middle half of the bar, unless the value is so far out that the bar must be longer.
  const margin = (high - low) / 2 || Math.abs(low) / 2 || 1;
  const start = Math.min(low - margin, value);
  const end = Math.max(high + margin, value);
  const place = (amount: number) => (amount - start) / (end - start);
  return { value: place(value), low: place(low), high: place(high) };
}
