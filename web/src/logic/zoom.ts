/** Steps of the zoom, as multiples of the size at which the whole image is shown. */
const STEPS = [1, 1.5, 2, 3, 4, 6, 8] as const;

/** The next step in a direction; the last one at either end. */
export function zoomed(zoom: number, direction: "in" | "out"): number {
  return direction === "in"
    ? (STEPS.find((step) => step > zoom) ?? STEPS[STEPS.length - 1] ?? 1)
    : (STEPS.findLast((step) => step < zoom) ?? 1);
}

export const canZoom = (zoom: number, direction: "in" | "out") => zoomed(zoom, direction) !== zoom;

/** Where to scroll to along one side, so that what is in the middle stays there when the content's length changes. */
export function scrollKeepingMiddle(scroll: number, view: number, before: number, after: number): number {
  const middle = before > 0 ? (scroll + view / 2) / before : 0.5;
  return Math.max(0, Math.min(after - view, middle * after - view / 2));
}
