import { useRef, useState } from "react";
import type { Clip, ClipVerdict } from "../api/types";
import { clock } from "../logic/clips";
import { bytes, dateTime } from "../logic/format";
import type { ClipEntry } from "../state/clips";
import { useApp } from "../state/app";
import { useLoaded } from "../state/useLoaded";
import { locale, t } from "../strings";
import { ClipPlayer } from "./ClipPlayer";
import { FramesTable, TracksTable } from "./ClipTables";
import { ClipVerdictPanel } from "./ClipVerdictPanel";
import { Facts } from "./Facts";
import { FeedbackForm } from "./FeedbackForm";
import { FileButton } from "./FileButton";
import { Timeline } from "./Timeline";

interface Props {
  entry: ClipEntry;
  clip: Clip & { verdict: ClipVerdict };
  attach: (file: File) => void;
}

/** Everything about one judged clip. */
export function ClipResult({ entry, clip, attach }: Props) {
  const { client, announce, model } = useApp();
  const { verdict } = clip;
  const player = useRef<HTMLVideoElement | null>(null);
  const [time, setTime] = useState(verdict.times[0] ?? 0);
  const stored = useLoaded(`clip ${clip.id} ${entry.file !== null}`, (signal) =>
    entry.file === null ? client.fileOfClip(clip, signal) : Promise.resolve(null),
  );
  const file = entry.file ?? (stored.at === "ready" ? stored.value : null);

  const seek = (to: number) => {
    setTime(to);
    if (player.current) player.current.currentTime = to;
  };
  const toggle = () => {
    const video = player.current;
    if (video?.paused) void video.play();
    else video?.pause();
  };

  return (
    <>
      <div className="result">
        {file ? (
          <ClipPlayer name={entry.name} file={file} verdict={verdict} time={time} playerRef={player} moved={setTime} />
        ) : (
          <div className="no-image">
            <p>{stored.at === "loading" ? t.loading : t.clips.notHere}</p>
            {stored.at !== "loading" && (
              <p className="actions">
                <FileButton
                  accept="video/*,.mkv,.mov,.avi"
                  className=""
                  many={false}
                  add={([chosen]) => {
                    if (chosen === undefined) return;
                    if (chosen.size === clip.bytes) attach(chosen);
                    else announce(t.clips.otherFile);
                  }}
                >
                  {t.clips.open}
                </FileButton>
              </p>
            )}
          </div>
        )}
        <div className="result-words">
          <ClipVerdictPanel verdict={verdict} />
          {model?.limits.keeps_history === false ? (
            <p className="dim">{t.feedback.none}</p>
          ) : (
            <FeedbackForm
              id={clip.id}
              given={clip.feedback}
              give={(answer) => client.giveClipFeedback(clip.id, answer)}
            />
          )}
        </div>
      </div>
      {verdict.tracks.length > 0 && (
        <section className="timelines">
          <h3>{t.clips.timeline}</h3>
          <p className="dim">{t.clips.timelineNote}</p>
          {verdict.tracks.map((track, place) => (
            <Timeline
              key={place}
              track={track}
              number={place + 1}
              decides={place === verdict.deciding_track}
              duration={verdict.duration_s}
              threshold={verdict.threshold}
              time={time}
              seek={seek}
              toggle={file ? toggle : null}
            />
          ))}
          <FramesTable verdict={verdict} seek={seek} />
        </section>
      )}
      <div className="columns clip-facts">
        {verdict.tracks.length > 0 && (
          <section>
            <h3>{t.clips.tracks}</h3>
            <TracksTable verdict={verdict} />
          </section>
        )}
        <section>
          <h3>{t.summary.details}</h3>
          <Details clip={clip} />
        </section>
      </div>
    </>
  );
}

function Details({ clip }: { clip: Props["clip"] }) {
  const { verdict } = clip;
  const { video } = verdict;
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  return (
    <Facts
      facts={[
        [t.clips.duration, clock(verdict.duration_s, locale)],
        [t.clips.framesJudged, number.format(verdict.frames_judged)],
        [t.clips.codec, video && [video.container, video.codec, video.profile].filter(Boolean).join(", ")],
        [t.clips.size, video && `${video.size.join(" × ")} px, ${number.format(video.fps)} ${t.clips.perSecond}`],
        [t.clips.encoder, video?.encoder],
        [t.clips.bytes, bytes(clip.bytes, locale)],
        [t.summary.judgedAt, dateTime(clip.time, locale)],
        [t.summary.model, verdict.model],
        [t.summary.bundle, <code key="">{verdict.bundle_sha256}</code>],
        [t.clips.sha256, <code key="">{clip.sha256}</code>],
        [t.summary.time, t.clips.seconds(number.format(verdict.ms / 1000))],
      ]}
    />
  );
}
