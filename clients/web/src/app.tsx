/** The app: who may see it, what is around its pages, and which page is at which address. */

import { lazy, Suspense, useEffect, useRef, useState } from "react";
import {
  AlertTriangle,
  Inbox,
  LogOut,
  List,
  MessageSquare,
  Monitor,
  Moon,
  Network,
  PencilLine,
  Plug,
  Sun,
  Webhook,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import { FormContext } from "react-aria-components";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";

import { InterlockProvider, useInterlock } from "@interlock/client/react";
import { ChatPage } from "./chat/chat-page.tsx";
import { loadForms } from "./forms/lazy.tsx";
import { InboxBadge } from "./inbox/badge.tsx";
import { usePalette } from "./palette/asking.ts";
import { loadDifference } from "./pauses/changes.tsx";
import { ConnectionBar, ConnectionDot } from "./session/connection-bar.tsx";
import { session, useSession } from "./session/context.ts";
import { signOut } from "./session/leaving.ts";
import { SignInDialog, SignInPage } from "./session/sign-in.tsx";
import { useAddress, useAskedFor } from "./ui/address.ts";
import { Announcer } from "./ui/announcer.tsx";
import { Boundary } from "./ui/boundary.tsx";
import { Button } from "./ui/button.tsx";
import { Empty, Skeleton } from "./ui/notice.tsx";
import { loadMarkdown } from "./ui/prose.tsx";
import { useTheme, type Theme } from "./ui/theme.ts";
import { useTitle } from "./ui/title.ts";

const loadRun = () => import("./run/run-page.tsx");
const loadRuns = () => import("./runs/runs-page.tsx");
const loadInbox = () => import("./inbox/inbox-page.tsx");
const loadMachines = () => import("./machines/machines-page.tsx");
const loadMachine = () => import("./machines/machine-page.tsx");
const loadGraphs = () => import("./graphs/graphs-page.tsx");
const loadGraph = () => import("./graphs/graph-page.tsx");
const loadEditor = () => import("./editor/editor-page.tsx");
const loadErrors = () => import("./errors/errors-page.tsx");
const loadWebhooks = () => import("./webhooks/webhooks-page.tsx");
const loadIntegrations = () => import("./integrations/integrations-page.tsx");
const loadWebhook = () => import("./webhooks/webhook-page.tsx");
const loadPalette = () => import("./palette/palette.tsx");
const RunPage = lazy(() => loadRun().then((found) => ({ default: found.RunPage })));
const RunsPage = lazy(() => loadRuns().then((found) => ({ default: found.RunsPage })));
const InboxPage = lazy(() => loadInbox().then((found) => ({ default: found.InboxPage })));
const MachinesPage = lazy(() => loadMachines().then((found) => ({ default: found.MachinesPage })));
const MachinePage = lazy(() => loadMachine().then((found) => ({ default: found.MachinePage })));
const GraphsPage = lazy(() => loadGraphs().then((found) => ({ default: found.GraphsPage })));
const GraphPage = lazy(() => loadGraph().then((found) => ({ default: found.GraphPage })));
const EditorPage = lazy(() => loadEditor().then((found) => ({ default: found.EditorPage })));
const ErrorsPage = lazy(() => loadErrors().then((found) => ({ default: found.ErrorsPage })));
const WebhooksPage = lazy(() => loadWebhooks().then((found) => ({ default: found.WebhooksPage })));
const IntegrationsPage = lazy(() => loadIntegrations().then((found) => ({ default: found.IntegrationsPage })));
const WebhookPage = lazy(() => loadWebhook().then((found) => ({ default: found.WebhookPage })));
const Palette = lazy(() => loadPalette().then((found) => ({ default: found.Palette })));

/** All that is loaded when it is needed: fetched while there is time, so that it is here when the server isn't. */
const LATER = [
  loadMarkdown,
  loadRun,
  loadRuns,
  loadInbox,
  loadForms,
  loadDifference,
  loadMachines,
  loadMachine,
  loadErrors,
  loadPalette,
];
const LATER_MS = 2000;

/** For whoever must know that the page goes on without its server, like a test of just that. */
function allHere() {
  document.documentElement.setAttribute("data-parts", "here");
}

function useLaterParts() {
  useEffect(() => {
    // A module that couldn't be fetched once isn't asked for again before the page is loaded anew: so not while offline.
    const load = () => {
      if (navigator.onLine) void Promise.allSettled(LATER.map((part) => part())).then(allHere);
      else window.addEventListener("online", load, { once: true });
    };
    const timer = setTimeout(load, LATER_MS);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("online", load);
    };
  }, []);
}

/** A field that was wrong doesn't keep its form from being sent again: the server judges anew. */
const VALIDATION = { validationBehavior: "aria" } as const;

/** The whole page. */
export function App() {
  const { client, person } = useSession();
  return (
    <FormContext value={VALIDATION}>
      <Router hook={useAddress} searchHook={useAskedFor}>
        <Announcer />
        {client === null ? (
          <SignInPage />
        ) : (
          <InterlockProvider client={client}>
            <Shell key={person} />
          </InterlockProvider>
        )}
      </Router>
    </FormContext>
  );
}

function Shell() {
  useLaterParts();
  const [location] = useLocation();
  // The conversations are one page: going from one to another takes no focus from what is being written.
  const place = /^\/(?:chat\/.*)?$/.test(location) ? "/" : location;
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [place]);
  return (
    <div className="shell">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <TopBar />
      <Finding />
      <ConnectionBar />
      <SignInAgain />
      <main id="main" ref={main} tabIndex={-1}>
        <Boundary key={place}>
          <Suspense
            fallback={
              <div className="page">
                <Skeleton label="Loading the page" lines={6} />
              </div>
            }
          >
            <Pages />
          </Suspense>
        </Boundary>
      </main>
    </div>
  );
}

/** Where the palette leads, beside what waits and what there is. */
const PLACES = [
  { to: "/", name: "Chat", icon: MessageSquare },
  { to: "/inbox", name: "Inbox", icon: Inbox },
  { to: "/runs", name: "Runs", icon: List },
  { to: "/machines", name: "Machines", icon: Workflow },
  { to: "/graphs", name: "Graphs", icon: Network },
  { to: "/editor", name: "New machine", icon: PencilLine },
  { to: "/errors", name: "Errors", icon: AlertTriangle },
  { to: "/webhooks", name: "Webhooks", icon: Webhook },
  { to: "/integrations", name: "Integrations", icon: Plug },
] as const;

function Finding() {
  const [isAsked, close] = usePalette();
  if (!isAsked) return null;
  return (
    <Suspense>
      <Palette places={PLACES} onClose={close} />
    </Suspense>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/" component={ChatPage} />
      <Route path="/chat/:sessionId" component={ChatPage} />
      <Route path="/chat/:workflowId/:runId" component={ChatPage} />
      <Route path="/runs" component={RunsPage} />
      <Route path="/runs/:workflowId/:runId" component={RunPage} />
      <Route path="/inbox" component={InboxPage} />
      <Route path="/machines" component={MachinesPage} />
      <Route path="/machines/:name" component={MachinePage} />
      <Route path="/machines/:name/:versionId" component={MachinePage} />
      <Route path="/graphs" component={GraphsPage} />
      <Route path="/graphs/:name" component={GraphPage} />
      <Route path="/editor" component={EditorPage} />
      <Route path="/editor/:name/:versionId" component={EditorPage} />
      <Route path="/errors" component={ErrorsPage} />
      <Route path="/webhooks" component={WebhooksPage} />
      <Route path="/integrations" component={IntegrationsPage} />
      <Route path="/webhooks/:id" component={WebhookPage} />
      <Route path="/index.html">
        <Redirect to="/" />
      </Route>
      <Route component={NoPage} />
    </Switch>
  );
}

function NoPage() {
  useTitle("Not found");
  return (
    <div className="page">
      <h1>There is no such page</h1>
      <Empty title="The address isn’t one of this app">
        Go to the <Link href="/">chat</Link>, the <Link href="/runs">runs</Link>, the{" "}
        <Link href="/machines">machines</Link>, or your <Link href="/inbox">inbox</Link>.
      </Empty>
    </div>
  );
}

function TopBar() {
  const [location] = useLocation();
  const isAt = (path: string) =>
    path === "/" ? location === "/" || location.startsWith("/chat") : location.startsWith(path);
  return (
    <header className="top">
      <span className="brand" aria-hidden>
        Interlock
      </span>
      <nav aria-label="Pages">
        <NavLink to="/" icon={MessageSquare} label="Chat" isCurrent={isAt("/")} />
        <NavLink to="/inbox" icon={Inbox} label="Inbox" isCurrent={isAt("/inbox")} hasBadge />
        <NavLink to="/runs" icon={List} label="Runs" isCurrent={isAt("/runs")} />
        <NavLink
          to="/machines"
          icon={Workflow}
          label="Machines"
          isCurrent={["/machines", "/editor", "/errors", "/webhooks"].some(isAt)}
        />
        <NavLink to="/graphs" icon={Network} label="Graphs" isCurrent={isAt("/graphs")} />
      </nav>
      <span className="spacer" />
      <ConnectionDot />
      <ThemeButton />
      <Who />
    </header>
  );
}

interface NavLinkProps {
  to: string;
  icon: LucideIcon;
  label: string;
  isCurrent: boolean;
  hasBadge?: boolean;
}

function NavLink({ to, icon: Icon, label, isCurrent, hasBadge = false }: NavLinkProps) {
  return (
    <Link
      href={to}
      className={isCurrent ? "nav-link current" : "nav-link"}
      {...(isCurrent ? { "aria-current": "page" } : {})}
    >
      <Icon size={18} aria-hidden />
      <span>{label}</span>
      {hasBadge && <InboxBadge />}
    </Link>
  );
}

const THEMES: Record<Theme, [Theme, LucideIcon, string]> = {
  system: ["light", Monitor, "as the system"],
  light: ["dark", Sun, "light"],
  dark: ["system", Moon, "dark"],
};

function ThemeButton() {
  const [theme, choose] = useTheme();
  const [next, Icon, word] = THEMES[theme];
  return (
    <Button tone="quiet" aria-label={`Appearance: ${word}. Change to ${THEMES[next][2]}`} onPress={() => choose(next)}>
      <Icon size={18} aria-hidden />
    </Button>
  );
}

function Who() {
  const { connection } = useInterlock();
  return (
    <>
      {connection.userId !== null && (
        <span className="who" title={connection.userId}>
          {connection.userId}
        </span>
      )}
      <Button tone="quiet" aria-label="Sign out" onPress={signOut}>
        <LogOut size={18} aria-hidden />
      </Button>
    </>
  );
}

function SignInAgain() {
  const { asking } = useSession();
  const [wants, setWants] = useState(false);
  const must = asking === "expired" || asking === "refused";
  return (
    <>
      {asking === "expiring" && (
        <div className="connection calm" role="alert">
          <span>Your token runs out soon.</span>
          <Button small onPress={() => setWants(true)}>
            Sign in again
          </Button>
          <Button small tone="quiet" onPress={() => session.later()}>
            Later
          </Button>
        </div>
      )}
      <SignInDialog isOpen={must || wants} onClose={() => setWants(false)} />
    </>
  );
}
