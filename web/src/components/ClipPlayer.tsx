import { type ReactNode, type RefObject, useCallback, useState } from "react";
import type { ClipVerdict } from "../api/types";
import { frameAt } from "../logic/clips";
import { percent } from "../logic/format";
import { locale, t } from "../strings";

interface Props {
  name: string;
  file: Blob;
  verdict: ClipVerdict | null;
  time: number;
  /** Receives the player, to seek with. */
  playerRef: RefObject<HTMLVideoElement | null> | null;
  moved: (time: number) => void;
}

/** The clip from its local file, with the faces of the frame that was judged nearest to the time shown. */
export function ClipPlayer({ name, file, verdict, time, playerRef, moved }: Props) {
  const [broken, setBroken] = useState(false);
  const [framed, setFramed] = useState(true);
  // Stable, for a new function would load the file again and lose the place.
  const load = useCallback(
    (video: HTMLVideoElement) => {
      const url = URL.createObjectURL(file);
      video.src = url;
      if (playerRef) playerRef.current = video;
      return () => {
        video.removeAttribute("src");
        URL.revokeObjectURL(url);
        if (playerRef) playerRef.current = null;
      };
    },
    [file, playerRef],
  );
  if (broken) return <p className="no-image">{t.clips.noPreview}</p>;
  return (
    <figure className="image clip-figure">
      <div className="frame clip-frame">
        <video
          ref={load}
          controls
          muted
          playsInline
          preload="auto"
          aria-label={t.clips.player(name)}
          onTimeUpdate={({ currentTarget }) => {
            moved(currentTarget.currentTime);
          }}
          onSeeked={({ currentTarget }) => {
            moved(currentTarget.currentTime);
          }}
          onError={() => {
            setBroken(true);
          }}
        />
        {verdict?.video && framed && <Faces verdict={verdict} size={verdict.video.size} time={time} />}
      </div>
      {verdict && verdict.tracks.length > 0 && (
        <figcaption>
          <label className="check">
            <input
              type="checkbox"
              checked={framed}
              onChange={(event) => {
                setFramed(event.target.checked);
              }}
            />
            {t.image.boxes}
          </label>
        </figcaption>
      )}
    </figure>
  );
}

function Faces({
  verdict,
  size: [width, height],
  time,
}: {
  verdict: ClipVerdict;
  size: [number, number];
  time: number;
}): ReactNode {
  const shown = verdict.tracks.flatMap((track, place) => {
    const frame = frameAt(track, time);
    return frame ? [{ place, ...frame }] : [];
  });
  return (
    <>
      <svg className="overlay" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        {shown.map(({ place, box: [x0, y0, x1, y1] }) => (
          <g key={place} className="face">
            <rect x={x0} y={y0} width={x1 - x0} height={y1 - y0} />
            <rect x={x0} y={y0} width={x1 - x0} height={y1 - y0} />
          </g>
        ))}
      </svg>
      {shown.map(({ place, box: [x0, y0], fake_probability }) => (
        <span
          key={place}
          className="face-tag"
          aria-hidden="true"
          style={{ left: `${(100 * Math.max(0, x0)) / width}%`, top: `${Math.max(6, (100 * y0) / height)}%` }}
        >
          {place + 1} · {percent(fake_probability, locale)}
        </span>
      ))}
    </>
  );
}
