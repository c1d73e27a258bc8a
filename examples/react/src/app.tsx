/** The page: who one is, what waits in all runs, and one run. */

import { connect, type Client } from "@interlock/client";
import { InterlockProvider, useInterlock, usePending } from "@interlock/client/react";
import { useState, type SubmitEvent } from "react";
import { RunPage } from "./run.tsx";

const SERVER = import.meta.env["VITE_INTERLOCK_URL"] ?? "http://127.0.0.1:7777";

/** Asks for a token, and keeps it in memory. A page of yours gets short-lived ones from its own backend instead. */
export function App() {
  const [client, setClient] = useState<Client | null>(null);
  if (client === null) return <SignIn onToken={(token) => setClient(connect(SERVER, { token }))} />;
  const leave = () => {
    client.close();
    setClient(null);
  };
  return (
    <InterlockProvider client={client}>
      <Page onLeave={leave} />
    </InterlockProvider>
  );
}

function SignIn({ onToken }: { onToken: (token: string) => void }) {
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    onToken(String(new FormData(event.currentTarget).get("token")));
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor="token">Token</label>
      <input id="token" name="token" type="password" autoComplete="off" required />
      <button>Sign in</button>
    </form>
  );
}

function Page({ onLeave }: { onLeave: () => void }) {
  const [runId, setRunId] = useState<string | null>(null);
  return (
    <>
      <Status onLeave={onLeave} />
      <Inbox onChoose={setRunId} />
      <Start onStarted={setRunId} />
      {runId !== null && <RunPage key={runId} runId={runId} />}
    </>
  );
}

function Status({ onLeave }: { onLeave: () => void }) {
  const { connection } = useInterlock();
  return (
    <p>
      {connection.userId} {connection.phase} <button onClick={onLeave}>Sign out</button>
      {connection.phase === "closed" && <span role="alert"> {connection.error.message}</span>}
    </p>
  );
}

/** Everything that waits for this user, wherever it was started. */
function Inbox({ onChoose }: { onChoose: (runId: string) => void }) {
  const { pending, error } = usePending();
  return (
    <section aria-label="Inbox">
      <h2>{pending.length} waiting</h2>
      {error && <p role="alert">{error.message}</p>}
      <ul>
        {pending.map((item) => (
          <li key={item.pending.id}>
            <button onClick={() => onChoose(item.run.run_id)}>
              {item.run.workflow_id}: {item.pending.step_name}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Start({ onStarted }: { onStarted: (runId: string) => void }) {
  const { client } = useInterlock();
  const [refusal, setRefusal] = useState("");
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    client
      .start(String(form.get("workflow")), { message: String(form.get("message")) })
      .then((run) => onStarted(run.runId))
      .catch((error: Error) => setRefusal(error.message));
    setRefusal("");
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor="workflow">Workflow</label>
      <input id="workflow" name="workflow" defaultValue="writing-loop" />
      <label htmlFor="message">Message</label>
      <textarea id="message" name="message" defaultValue="README.md" />
      <button>Start</button>
      {refusal && <p role="alert">{refusal}</p>}
    </form>
  );
}
