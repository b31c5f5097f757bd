import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createClient } from "./api/client";
import { asProblem } from "./api/problem";
import type { Model } from "./api/types";
import { type Announcement, Announcements } from "./components/Announcements";
import { Header } from "./components/Header";
import { TokenDialog } from "./components/TokenDialog";
import { App as Context, type AppContext } from "./state/app";
import { readToken, writeToken } from "./state/token";
import { useRoute } from "./state/useRoute";
import { t } from "./strings";
import { CheckView } from "./views/CheckView";
import { DetectorView } from "./views/DetectorView";
import { HistoryView } from "./views/HistoryView";
import { RecordView } from "./views/RecordView";

const client = createClient(readToken);

export function App() {
  const route = useRoute();
  const [token, setToken] = useState(readToken);
  const [tokenEpoch, setTokenEpoch] = useState(0);
  const [asking, setAsking] = useState(false);
  const [model, setModel] = useState<Model | null>(null);
  const [said, setSaid] = useState<readonly Announcement[]>([]);

  const askForToken = useCallback(() => {
    setAsking(true);
  }, []);
  const announce = useCallback((text: string) => {
    setSaid((earlier) => [...earlier.slice(-4), { number: (earlier.at(-1)?.number ?? 0) + 1, text }]);
  }, []);

  const changeToken = (value: string | null) => {
    writeToken(value);
    setToken(value);
    setTokenEpoch((epoch) => epoch + 1);
    setAsking(false);
  };

  useEffect(() => {
    const stop = new AbortController();
    client.model(stop.signal).then(setModel, (error: unknown) => {
      // Every view says for itself that the service does not answer.
      if (!stop.signal.aborted && asProblem(error).status === 401) askForToken();
    });
    return () => {
      stop.abort();
    };
  }, [tokenEpoch, askForToken]);

  useFocusOnHeading(route.view === "record" ? route.id : route.view);
  useEffect(() => {
    document.title = `${t.title[route.view]} · unmask`;
  }, [route.view]);

  const app = useMemo<AppContext>(
    () => ({ client, model, tokenEpoch, askForToken, announce }),
    [model, tokenEpoch, askForToken, announce],
  );

  return (
    <Context value={app}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          // The address is the route, so the jump is made by hand.
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        {t.header.skip}
      </a>
      <Header
        view={route.view}
        forgetToken={
          token === null
            ? null
            : () => {
                changeToken(null);
                announce(t.header.tokenForgotten);
              }
        }
      />
      <main id="main" tabIndex={-1}>
        {/* The queue goes on while other views are looked at. */}
        <CheckView shown={route.view === "check"} />
        {route.view === "history" && <HistoryView filter={route} />}
        {route.view === "record" && <RecordView key={route.id} id={route.id} />}
        {route.view === "detector" && <DetectorView />}
      </main>
      <footer className="colophon">{t.footer}</footer>
      <Announcements of={said} />
      {asking && (
        <TokenDialog
          rejected={token !== null}
          use={changeToken}
          cancel={() => {
            setAsking(false);
          }}
        />
      )}
    </Context>
  );
}

/** Where a link led to another view, reading goes on at its heading. */
function useFocusOnHeading(view: string) {
  const last = useRef(view);
  useEffect(() => {
    if (last.current === view) return;
    last.current = view;
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>("main > :not([hidden]) h1")?.focus({ preventScroll: true });
  }, [view]);
}
