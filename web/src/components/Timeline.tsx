import { type KeyboardEvent, type PointerEvent, useState } from "react";
import type { ClipTrack } from "../api/types";
import { clock, frameAt, placeByKey } from "../logic/clips";
import { percent } from "../logic/format";
import { locale, t } from "../strings";
import { VerdictMark } from "./icons";

interface Props {
  track: ClipTrack;
  /** From 1. */
  number: number;
  decides: boolean;
  /** Of the clip, in seconds. */
  duration: number;
  threshold: number;
  time: number;
  seek: (time: number) => void;
  /** Plays or pauses the clip; null if it cannot be shown. */
  toggle: (() => void) | null;
}

const [WIDTH, HEIGHT] = [1000, 100];

/**
 * The probability of fake of one track against time. A slider: a press goes to the frame there, the arrow keys to the
 * frames that were judged.
 */
export function Timeline({ track, number, decides, duration, threshold, time, seek, toggle }: Props) {
  const [hovered, setHovered] = useState<number | null>(null);
  const { frames, verdict } = track;
  const x = (seconds: number) => (WIDTH * seconds) / Math.max(duration, 1e-9);
  const y = (probability: number) => HEIGHT * (1 - probability);
  const points = frames.map(({ time_s, fake_probability }) => [x(time_s), y(fake_probability)] as const);
  const shown = frameAt(track, hovered ?? time);
  const words = shown
    ? t.clips.frameWords(clock(shown.time_s, locale), percent(shown.fake_probability, locale, 1))
    : t.clips.noFrame(clock(hovered ?? time, locale));
  const name = t.clips.track(number);

  const timeAt = (event: PointerEvent<HTMLElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    return Math.min(duration, Math.max(0, (duration * (event.clientX - left)) / Math.max(width, 1)));
  };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (toggle && (event.key === " " || event.key === "Enter")) {
      event.preventDefault();
      toggle();
      return;
    }
    const frame = frames[placeByKey(frames, time, event.key) ?? -1];
    if (frame === undefined) return;
    event.preventDefault();
    seek(frame.time_s);
  };

  return (
    <div className="timeline" data-standing={verdict}>
      <div className="timeline-head">
        <span>
          {name} <span className="dim">{decides && t.clips.decides}</span>
        </span>
        <span className="badge">
          <VerdictMark of={verdict} />
          {t.words[verdict]}, {percent(track.fake_probability, locale, 1)}
        </span>
      </div>
      <div
        className="timeline-chart"
        role="slider"
        tabIndex={0}
        aria-label={t.clips.timelineOf(name)}
        aria-valuemin={0}
        aria-valuemax={duration}
        aria-valuenow={Math.min(duration, time)}
        aria-valuetext={words}
        onKeyDown={press}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          seek(timeAt(event));
        }}
        onPointerMove={(event) => {
          setHovered(timeAt(event));
          if (event.buttons > 0) seek(timeAt(event));
        }}
        onPointerLeave={() => {
          setHovered(null);
        }}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
          <rect
            className="timeline-span"
            x={x(track.start_s)}
            y={0}
            width={Math.max(0, x(track.end_s) - x(track.start_s))}
            height={HEIGHT}
          />
          <path className="timeline-threshold" d={`M0 ${y(threshold)}H${WIDTH}`} />
          <path
            className="timeline-line"
            d={points
              .map(([left, top]) => `L${left} ${top}`)
              .join("")
              .replace("L", "M")}
          />
          <path className="timeline-dots" d={points.map(([left, top]) => `M${left} ${top}h0`).join("")} />
          <path className="timeline-here" d={`M${x(Math.min(duration, time))} 0V${HEIGHT}`} />
        </svg>
      </div>
      <div className="timeline-foot dim">
        <span>{clock(0, locale)}</span>
        <span>{words}</span>
        <span>{clock(duration, locale)}</span>
      </div>
    </div>
  );
}
