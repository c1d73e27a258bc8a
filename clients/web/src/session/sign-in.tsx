/** Asks for a user name and a password, or for a token, or leads to an identity provider: as a page while nobody is signed in, or as a dialog above the page where a token ran out. */

import { useEffect, useState } from "react";
import { Button } from "../ui/button.tsx";
import { Checkbox, TextField } from "../ui/fields.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useTitle } from "../ui/title.ts";
import { session, useSession } from "./context.ts";
import { beginSession } from "./account.ts";
import { signOut } from "./leaving.ts";
import { leaveFor, providerOfServer, type Provider } from "./provider.ts";
import { faultOf } from "./signing.ts";
import type { Asking } from "./session.ts";

const SENTENCES: Record<Asking, string> = {
  none: "You get a token from whoever runs the server. A server that was started without any settings prints one.",
  refused: "The server doesn’t accept the token that was used here. Give another one.",
  expired: "Your token has run out. Give a new one to go on; nothing on this page is lost.",
  expiring: "Your token runs out soon. Give a new one to go on without a break.",
};

type Way = "token" | "password";

/** The way that was used last on this device. */
const WAY = "interlock.way";

/** The page for whoever isn't signed in. */
export function SignInPage() {
  useTitle("Sign in");
  const { asking } = useSession();
  return (
    <main className="sign-in">
      <h1>Interlock</h1>
      <SignInForm asking={asking ?? "none"} />
    </main>
  );
}

/** The dialog above the page. */
export function SignInDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { asking } = useSession();
  const mustAnswer = asking !== "expiring" && asking !== null;
  return (
    <Dialog title="Sign in again" isOpen={isOpen} onClose={onClose} mustAnswer={mustAnswer}>
      <SignInForm asking={asking ?? "expiring"} onDone={onClose} />
      {mustAnswer && (
        <Button tone="quiet" onPress={signOut}>
          Sign out instead
        </Button>
      )}
    </Dialog>
  );
}

function SignInForm({ asking, onDone }: { asking: Asking; onDone?: () => void }) {
  const [way, setWay] = useState<Way>(localStorage.getItem(WAY) === "password" ? "password" : "token");
  const choose = (next: Way) => {
    localStorage.setItem(WAY, next);
    setWay(next);
  };
  const done = onDone === undefined ? {} : { onDone };
  return (
    <div className="stack">
      <ProviderWay />
      {way === "token" ? <TokenForm asking={asking} {...done} /> : <PasswordForm asking={asking} {...done} />}
      <Button tone="quiet" onPress={() => choose(way === "token" ? "password" : "token")}>
        {way === "token" ? "Use a password instead" : "Use a token instead"}
      </Button>
    </div>
  );
}

function ProviderWay() {
  const [provider, setProvider] = useState<Provider | null>(null);
  const [stay, setStay] = useState(false);
  useEffect(() => {
    let isShown = true;
    void providerOfServer().then((found) => isShown && setProvider(found));
    return () => {
      isShown = false;
    };
  }, []);
  return (
    <>
      {session.fault !== null && <p role="alert">{session.fault}</p>}
      {provider !== null && (
        <div className="stack">
          <div className="actions">
            <Button tone="primary" onPress={() => leaveFor(provider, stay)}>
              Sign in with {provider.name}
            </Button>
          </div>
          <Checkbox isSelected={stay} onChange={setStay}>
            Stay signed in with {provider.name}
          </Checkbox>
        </div>
      )}
    </>
  );
}

function PasswordForm({ asking, onDone }: { asking: Asking; onDone?: () => void }) {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [account, setAccount] = useState("");
  const [stay, setStay] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async () => {
    if (username.trim() === "" || password === "") {
      setFault("Give a user name and a password.");
      return;
    }
    setBusy(true);
    const found = await beginSession({ username: username.trim(), password, account: account.trim(), stay });
    setBusy(false);
    setPassword("");
    setFault(typeof found === "string" ? found : null);
    if (typeof found === "string") return;
    session.enter(found);
    onDone?.();
  };
  return (
    <form
      className="stack"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {asking !== "none" && <p role="alert">Sign in again to go on; nothing on this page is lost.</p>}
      <TextField label="User name" autoComplete="username" value={username} onChange={setUsername} autoFocus />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={(value) => {
          setPassword(value);
          setFault(null);
        }}
        error={fault}
      />
      <TextField label="Account (if you were told one)" autoComplete="off" value={account} onChange={setAccount} />
      <Checkbox isSelected={stay} onChange={setStay}>
        Stay signed in on this device
      </Checkbox>
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Sign in
        </Button>
      </div>
    </form>
  );
}

function TokenForm({ asking, onDone }: { asking: Asking; onDone?: () => void }) {
  const [token, setToken] = useState("");
  const [stay, setStay] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async () => {
    const given = token.trim();
    if (given === "") {
      setFault("Give a token.");
      return;
    }
    setBusy(true);
    const wrong = await faultOf(given);
    setBusy(false);
    setFault(wrong);
    if (wrong !== null) return;
    session.give(given, stay);
    onDone?.();
  };
  return (
    <form
      className="stack"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p role={asking === "none" ? undefined : "alert"}>{SENTENCES[asking]}</p>
      <TextField
        label="Token"
        type="password"
        autoComplete="off"
        value={token}
        onChange={(value) => {
          setToken(value);
          setFault(null);
        }}
        error={fault}
        autoFocus
      />
      <Checkbox isSelected={stay} onChange={setStay}>
        Stay signed in on this device
      </Checkbox>
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Sign in
        </Button>
      </div>
    </form>
  );
}
