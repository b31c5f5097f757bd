/** Clips: which files are some, their times in words, and the frames nearest to a time. */

import type { ClipFrame, ClipTrack } from "../api/types";

const ENDINGS = /\.(mp4|m4v|mov|qt|3gp|3g2|mkv|webm|avi|mpe?g|ts|mts|m2ts|vob|flv|ogv|wmv|asf|ivf)$/i;

/** By its type, or by its name where the browser knows no type. */
export function isClip({ name, type }: Pick<File, "name" | "type">): boolean {
  return type.startsWith("video/") || (!type.startsWith("image/") && ENDINGS.test(name));
}

/** Minutes and seconds, `1:05.3`; with an hour `1:01:05.3`. */
export function clock(seconds: number, locale: string): string {
  const tenths = Math.max(0, Math.round(10 * seconds));
  const [hours, minutes] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60];
  const rest = new Intl.NumberFormat(locale, {
    minimumIntegerDigits: 2,
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format((tenths % 600) / 10);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Place of the frame nearest to a time; -1 without frames. */
export function nearest(frames: readonly Pick<ClipFrame, "time_s">[], time: number): number {
  let best = -1;
  frames.forEach(({ time_s }, place) => {
    const other = frames[best];
    if (other === undefined || Math.abs(time_s - time) < Math.abs(other.time_s - time)) best = place;
  });
  return best;
}

/** Place of the frame to go to from a time by a key; null for other keys. */
export function placeByKey(frames: readonly Pick<ClipFrame, "time_s">[], time: number, key: string): number | null {
  const last = frames.length - 1;
  // A player stops a little beside the time that it was given.
  const after = frames.findIndex(({ time_s }) => time_s > time + SAME_TIME);
  const before = frames.findLastIndex(({ time_s }) => time_s < time - SAME_TIME);
  const next = after < 0 ? last : after;
  const previous = Math.max(0, before);
  const places: Record<string, number> = {
    ArrowRight: next,
    ArrowUp: next,
    ArrowLeft: previous,
    ArrowDown: previous,
    PageUp: Math.min(last, next + 4),
    PageDown: Math.max(0, previous - 4),
    Home: 0,
    End: last,
  };
  return frames.length === 0 ? null : (places[key] ?? null);
}

const SAME_TIME = 0.02;

/** The frame of a track that shows at a time: the nearest one, if it is no further than half the way to the next. */
export function frameAt({ frames }: Pick<ClipTrack, "frames">, time: number): ClipFrame | null {
  const frame = frames[nearest(frames, time)];
  if (frame === undefined) return null;
  return Math.abs(frame.time_s - time) <= Math.max(0.25, step(frames) / 2) ? frame : null;
}

/** The median time between frames in turn. */
function step(frames: readonly ClipFrame[]): number {
  const gaps = frames.slice(1).map(({ time_s }, place) => time_s - (frames[place]?.time_s ?? time_s));
  return gaps.toSorted((first, second) => first - second)[Math.floor(gaps.length / 2)] ?? 0;
}
