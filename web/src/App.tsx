import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createClient } from "./api/client";
import { asProblem } from "./api/problem";
import type { Model } from "./api/types";
import { type Announcement, Announcements } from "./components/Announcements";
import { Header } from "./components/Header";
import { useLanguage } from "./components/LanguageSwitch";
import { TokenDialog } from "./components/TokenDialog";
import type { Route } from "./logic/route";
import { App as Context, type AppContext, useApp } from "./state/app";
import { readToken, writeToken } from "./state/token";
import { useClips } from "./state/useClips";
import { go, useRoute } from "./state/useRoute";
import { createLocalClient } from "./local/client";
import { local } from "./local/mode";
import { t } from "./strings";
import { CheckView } from "./views/CheckView";
import { ClipsView } from "./views/ClipsView";
import { DetectorView } from "./views/DetectorView";
import { HistoryView } from "./views/HistoryView";
import { RecordView } from "./views/RecordView";

const client = local ? createLocalClient() : createClient(readToken);

export function App() {
  const route = useRoute();
  const language = useLanguage();
  const [token, setToken] = useState(readToken);
  const [tokenVersion, setTokenEpoch] = useState(0);
  const [tokenDialogOpen, setTokenDialogOpen] = useState(false);
  const [model, setModel] = useState<Model | null>(null);
  const [announcements, setAnnouncements] = useState<readonly Announcement[]>([]);

  const askForToken = useCallback(() => {
    setTokenDialogOpen(true);
  }, []);
  const announce = useCallback((text: string) => {
    setAnnouncements((earlier) => [...earlier.slice(-4), { number: (earlier.at(-1)?.number ?? 0) + 1, text }]);
  }, []);

  const changeToken = (value: string | null) => {
    writeToken(value);
    setToken(value);
    setTokenEpoch((epoch) => epoch + 1);
    setTokenDialogOpen(false);
  };

  useEffect(() => {
    const stop = new AbortController();
    client.model(stop.signal).then(setModel, (error: unknown) => {
      // Each view reports other problems itself.
      if (!stop.signal.aborted && asProblem(error).status === 401) askForToken();
    });
    return () => {
      stop.abort();
    };
  }, [tokenVersion, askForToken]);

  useFocusOnHeading(route.view === "record" ? route.id : route.view);
  useEffect(() => {
    document.title = `${t.title[route.view]} · unmask`;
    document.documentElement.lang = language;
  }, [route.view, language]);

  const app = useMemo<AppContext>(
    () => ({ client, model, tokenVersion, askForToken, announce }),
    [model, tokenVersion, askForToken, announce],
  );

  return (
    <Context value={app}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          // The hash holds the route, so move the focus by script.
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
        {local ? <LocalChecks view={route.view} /> : <Checks view={route.view} />}
        {!local && route.view === "history" && <HistoryView filter={route} />}
        {!local && route.view === "record" && <RecordView key={route.id} id={route.id} />}
        {route.view === "detector" && <DetectorView />}
      </main>
      <footer className="colophon">{t.footer}</footer>
      <Announcements of={announcements} />
      {tokenDialogOpen && (
        <TokenDialog
          rejected={token !== null}
          use={changeToken}
          cancel={() => {
            setTokenDialogOpen(false);
          }}
        />
      )}
    </Context>
  );
}

/** Images only: without a service there are neither clips nor a history, and their addresses lead here. */
function LocalChecks({ view }: { view: Route["view"] }) {
  const { announce } = useApp();
  const refuseClips = useCallback(() => {
    announce(t.local.noClips);
  }, [announce]);
  return <CheckView shown={view !== "detector"} addClips={refuseClips} />;
}

/** The views for images and for clips: both stay mounted, so their queues keep running while other views are shown. */
function Checks({ view }: { view: Route["view"] }) {
  const clips = useClips();
  const { add } = clips;
  const addClips = useCallback(
    (files: readonly File[]) => {
      add(files);
      go({ view: "clips" });
    },
    [add],
  );
  return (
    <>
      <CheckView shown={view === "check"} addClips={addClips} />
      <ClipsView shown={view === "clips"} clips={clips} />
    </>
  );
}

/** When the view changes, moves the focus to its heading, so that screen readers continue there. */
function useFocusOnHeading(view: string) {
  const last = useRef(view);
  useEffect(() => {
    if (last.current === view) return;
    last.current = view;
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>("main > :not([hidden]) h1")?.focus({ preventScroll: true });
  }, [view]);
}
