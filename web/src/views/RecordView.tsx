import { useState } from "react";
import type { HistoryRecord } from "../api/types";
import { Dialog } from "../components/Dialog";
import { ProblemNote } from "../components/ProblemNote";
import { Result } from "../components/Result";
import { addressOf, noFilter, type Route } from "../logic/route";
import { useApp } from "../state/app";
import { useAttempt } from "../state/useAttempt";
import { useLoaded } from "../state/useLoaded";
import { go } from "../state/useRoute";
import { t } from "../strings";

const all: Route = { view: "history", ...noFilter };

export function RecordView({ id }: { id: string }) {
  const { client } = useApp();
  const loaded = useLoaded(id, async (signal) => {
    const record = await client.record(id, signal);
    return { record, file: await client.imageOf(record, signal) };
  });
  return (
    <div className="record">
      <h1 className="unseen" tabIndex={-1}>
        {t.title.record}
      </h1>
      <p>
        <a href={addressOf(all)}>{t.record.back}</a>
      </p>
      <article className="sheet" aria-labelledby="record-name">
        <h2 id="record-name">
          {loaded.at === "ready" ? loaded.value.record.filename || t.history.unnamed : t.title.record}
        </h2>
        {loaded.at === "loading" && <p className="busy">{t.loading}</p>}
        {loaded.at === "failed" && <ProblemNote problem={loaded.problem} />}
        {loaded.at === "ready" && <Record record={loaded.value.record} file={loaded.value.file} />}
      </article>
    </div>
  );
}

function Record({ record, file }: { record: HistoryRecord; file: Blob | null }) {
  return (
    <>
      <Result
        name={record.filename}
        verdict={record.verdict}
        file={file}
        evidence={record.evidence}
        id={record.id}
        given={record.feedback}
        sha256={record.sha256}
        time={record.time}
      />
      <DeleteButton id={record.id} />
    </>
  );
}

function DeleteButton({ id }: { id: string }) {
  const { client, announce } = useApp();
  const { problem, attempt } = useAttempt();
  const [asked, setAsked] = useState(false);
  const close = () => {
    setAsked(false);
  };

  const remove = async () => {
    const worked = await attempt(() => client.deleteRecord(id));
    close();
    if (!worked) return;
    announce(t.record.deleted);
    go(all);
  };

  return (
    <div className="delete">
      <button
        type="button"
        onClick={() => {
          setAsked(true);
        }}
      >
        {t.record.delete}
      </button>
      {problem && <ProblemNote problem={problem} />}
      {asked && (
        <Dialog heading={t.record.deleteHeading} close={close}>
          <p>{t.record.deleteText}</p>
          <p className="actions">
            <button type="button" className="danger" onClick={() => void remove()}>
              {t.record.confirm}
            </button>
            <button type="button" onClick={close}>
              {t.record.cancel}
            </button>
          </p>
        </Dialog>
      )}
    </div>
  );
}
