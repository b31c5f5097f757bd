import { addressOf, noFilter, type Route } from "../logic/route";
import { local } from "../local/mode";
import { setTheme, useTheme } from "../state/theme";
import { t } from "../strings";
import { Moon, Sun } from "./icons";
import { LanguageSwitch } from "./LanguageSwitch";

const all: Route[] = [{ view: "check" }, { view: "clips" }, { view: "history", ...noFilter }, { view: "detector" }];
const places = local ? all.filter(({ view }) => view === "check" || view === "detector") : all;

export function Header({ view, forgetToken }: { view: Route["view"]; forgetToken: (() => void) | null }) {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  const switchName = other === "light" ? t.header.toLight : t.header.toDark;
  return (
    <header className="masthead">
      <a className="wordmark" href={addressOf({ view: "check" })}>
        <span>un</span>mask
      </a>
      <nav aria-label={t.header.navigation}>
        {places.map((route) => {
          const here = route.view === view || (route.view === "history" && view === "record");
          return (
            <a key={route.view} href={addressOf(route)} aria-current={here ? "page" : undefined}>
              {t.title[route.view]}
            </a>
          );
        })}
      </nav>
      {forgetToken && (
        <button type="button" className="quiet" onClick={forgetToken}>
          {t.header.forgetToken}
        </button>
      )}
      <LanguageSwitch />
      <button
        type="button"
        className="quiet icon"
        aria-label={switchName}
        title={switchName}
        onClick={() => {
          setTheme(other);
        }}
      >
        {other === "light" ? <Sun /> : <Moon />}
      </button>
    </header>
  );
}
