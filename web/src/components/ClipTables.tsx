import type { ClipVerdict } from "../api/types";
import { clock } from "../logic/clips";
import { percent } from "../logic/format";
import { locale, t } from "../strings";

export function TracksTable({ verdict: { tracks, deciding_track } }: { verdict: ClipVerdict }) {
  return (
    <div className="wide" role="region" aria-label={t.clips.tracks} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.clips.trackHead}</th>
            <th scope="col">{t.clips.from}</th>
            <th scope="col">{t.clips.to}</th>
            <th scope="col">{t.clips.frames}</th>
            <th scope="col">{t.summary.probability}</th>
            <th scope="col">{t.verdict.label}</th>
          </tr>
        </thead>
        <tbody>
          {tracks.map((track, place) => (
            <tr key={place}>
              <th scope="row">
                {place + 1} {place === deciding_track && <span className="dim">{t.clips.decides}</span>}
              </th>
              <td>{clock(track.start_s, locale)}</td>
              <td>{clock(track.end_s, locale)}</td>
              <td>{track.frames.length}</td>
              <td>{percent(track.fake_probability, locale, 1)}</td>
              <td>{t.words[track.verdict]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What the timelines show, as numbers. */
export function FramesTable({ verdict: { tracks }, seek }: { verdict: ClipVerdict; seek: (time: number) => void }) {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  return (
    <details className="frames">
      <summary>{t.clips.framesTable}</summary>
      <div className="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">{t.clips.time}</th>
              <th scope="col">{t.clips.trackHead}</th>
              <th scope="col">{t.summary.probability}</th>
              <th scope="col">{t.summary.place}</th>
            </tr>
          </thead>
          <tbody>
            {tracks.flatMap((track, place) =>
              track.frames.map(({ time_s, fake_probability, box: [x0, y0, x1, y1] }) => (
                <tr key={`${place} ${time_s}`}>
                  <th scope="row">
                    <button
                      type="button"
                      className="link"
                      onClick={() => {
                        seek(time_s);
                      }}
                    >
                      {clock(time_s, locale)}
                    </button>
                  </th>
                  <td>{place + 1}</td>
                  <td>{percent(fake_probability, locale, 1)}</td>
                  <td>
                    {whole.format(x0)}, {whole.format(y0)} – {whole.format(x1)}, {whole.format(y1)}
                  </td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </div>
    </details>
  );
}
