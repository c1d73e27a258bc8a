/**
 * What was delivered to a subscription, and what wasn't.
 *
 * Laws:
 * - The list isn't told of what is new: while somebody looks, it is asked for, more often while something is on its way.
 * - To refresh asks for as many as there are, so that nobody loses what they look at.
 */

import { useEffect, useRef, useState } from "react";
import { RefreshCw, RotateCcw } from "lucide-react";
import type {
  Client,
  Delivery,
  DeliveryAttempt,
  DeliveryStatus,
  InterlockError,
  Subscription,
} from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Asked } from "../ui/asked.tsx";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { useDraft } from "../ui/draft.ts";
import { Picker, TextField } from "../ui/fields.tsx";
import { Folded } from "../ui/folded.tsx";
import { counted, timeOf } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Badge } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { attemptWord, deliveryNote, deliveryWord, shortOf, STATUSES } from "./words.ts";

const ANY = " any";
const PAGE = 50;
const MOST_PAGES = 10;
const REFRESH_MS = 15_000;
const SOON_MS = 1_000;

interface DeliveriesProps {
  subscription: Subscription;
  /** Another number: something was done that is seen here. */
  round: number;
  /** A delivery says something about the subscription, too. */
  onChanged: () => void;
}

/** The deliveries, by status, the newest first. */
export function Deliveries({ subscription, round, onChanged }: DeliveriesProps) {
  const { id, status: state } = subscription;
  const [status, setStatus] = useDraft<string>(`webhook/${id}/status`, ANY);
  const isActive = state === "active";
  return (
    <section className="stack" aria-label="Deliveries">
      <div className="bar centred">
        <h2>Deliveries</h2>
        <span className="spacer" />
        <Picker
          label="Status"
          bare
          options={[{ key: ANY, label: "All statuses" }, ...STATUSES]}
          value={status}
          onChange={setStatus}
        />
        {isActive && <ReplaySince id={id} onDone={onChanged} />}
      </div>
      <List
        key={status}
        id={id}
        status={status === ANY ? undefined : (status as DeliveryStatus)}
        isActive={isActive}
        round={round}
        onChanged={onChanged}
      />
    </section>
  );
}

interface ListProps {
  id: string;
  status: DeliveryStatus | undefined;
  isActive: boolean;
  round: number;
  onChanged: () => void;
}

function List({ id, status, isActive, round, onChanged }: ListProps) {
  const { client } = useInterlock();
  const [pages, setPages] = useState(1);
  const { data, error, at, isLoading, again } = useAnswer(`deliveries ${id} ${status ?? ""}`, () =>
    listed(client, id, status, pages),
  );
  useEffect(() => {
    if (round > 0 || pages > 1) again();
  }, [round, pages, again]);
  const isBusy = data?.deliveries.some(({ status }) => status === "pending") ?? false;
  useRefreshed(again, isBusy && isActive ? SOON_MS : REFRESH_MS);
  const wasBusy = useRef(false);
  useEffect(() => {
    if (wasBusy.current && !isBusy) onChanged();
    wasBusy.current = isBusy;
  }, [isBusy, onChanged]);
  if (data === null && error !== null) return <Unlisted error={error} again={again} />;
  if (data === null) return <Skeleton label="Loading the deliveries" lines={6} />;
  const { deliveries, hasMore } = data;
  return (
    <>
      <div className="bar centred">
        <span className="hint" role="status">
          {counted(deliveries.length, "delivery", "deliveries")}
          {hasMore && ", and there are more"}
        </span>
        <span className="hint">{at !== null && `As of ${timeOf(at)}`}</span>
        <Button small tone="quiet" isPending={isLoading && !isBusy} onPress={again}>
          <RefreshCw size={14} aria-hidden /> Refresh
        </Button>
      </div>
      {error && (
        <Notice tone="fault" again={again}>
          The list may be out of date: {error.message}
        </Notice>
      )}
      {deliveries.length === 0 ? (
        <Nothing status={status} isActive={isActive} />
      ) : (
        <Table deliveries={deliveries} isActive={isActive} onChanged={again} />
      )}
      {hasMore && pages < MOST_PAGES && (
        <Button isPending={isLoading} onPress={() => setPages(pages + 1)}>
          Show more
        </Button>
      )}
    </>
  );
}

async function listed(client: Client, id: string, status: DeliveryStatus | undefined, pages: number) {
  const deliveries: Delivery[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < pages; page++) {
    const found = await client.webhooks.deliveries(id, {
      limit: PAGE,
      ...(status === undefined ? {} : { status }),
      ...(cursor === null ? {} : { cursor }),
    });
    deliveries.push(...found.deliveries);
    cursor = found.pagination.next_cursor;
    if (cursor === null) return { deliveries, hasMore: false };
  }
  return { deliveries, hasMore: true };
}

function useRefreshed(again: () => void, ms: number) {
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && again(), ms);
    return () => clearInterval(timer);
  }, [again, ms]);
}

function Unlisted({ error, again }: { error: InterlockError; again: () => void }) {
  return (
    <Notice tone="fault" again={again}>
      The deliveries can’t be listed: {error.message}
    </Notice>
  );
}

function Nothing({ status, isActive }: { status: DeliveryStatus | undefined; isActive: boolean }) {
  if (status !== undefined)
    return <Empty title="There is none like that">Choose another status, or all of them.</Empty>;
  return (
    <Empty title="Nothing was delivered yet">
      {isActive
        ? "Start a run, or send a test event: what becomes of it is listed here, for 30 days."
        : "Enable the subscription, and what happens from then on is delivered, and listed here."}
    </Empty>
  );
}

interface TableProps {
  deliveries: readonly Delivery[];
  isActive: boolean;
  onChanged: () => void;
}

function Table({ deliveries, ...rest }: TableProps) {
  return (
    <div className="table-box">
      <table aria-label="Deliveries" className="cards deliveries">
        <thead>
          <tr>
            <th scope="col">Event</th>
            <th scope="col">Status</th>
            <th scope="col">Attempts</th>
            <th scope="col">Created</th>
            <th scope="col">
              <span className="unseen">Replay</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {deliveries.map((delivery) => (
            <Row key={delivery.id} delivery={delivery} {...rest} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ delivery, isActive, onChanged }: { delivery: Delivery } & Omit<TableProps, "deliveries">) {
  const { event, instance_id: run, sequence, attempts, next_attempt_at: next } = delivery;
  const [word, tone] = deliveryWord(delivery);
  const note = deliveryNote(delivery);
  return (
    <tr>
      <th scope="row">
        {shortOf(event)}
        {run !== null && (
          <span className="hint about">
            No. {sequence} of <code className="name">{run}</code>
          </span>
        )}
      </th>
      <td>
        <Badge word={word} tone={tone} />
      </td>
      <td>
        {note !== null && <span className="hint about">{note}</span>}
        {next !== null && attempts.length > 0 && (
          <span className="hint about">
            Next attempt <Time at={Date.parse(next)} />
          </span>
        )}
        <Attempts attempts={attempts} />
      </td>
      <td>
        <Time at={Date.parse(delivery.created_at)} />
      </td>
      <td className="end">{isActive && <ReplayButton delivery={delivery} onDone={onChanged} />}</td>
    </tr>
  );
}

function Attempts({ attempts }: { attempts: readonly DeliveryAttempt[] }) {
  const last = attempts.at(-1);
  if (last === undefined) return null;
  const title =
    attempts.length === 1 ? attemptWord(last) : `${attempts.length} attempts, the last: ${attemptWord(last)}`;
  return (
    <Disclosed title={title}>
      <ol className="stack attempts">
        {attempts.map((attempt, index) => (
          <li key={index}>
            <span className="hint">
              <Time at={Date.parse(attempt.at)} /> · {attemptWord(attempt)}
            </span>
            {attempt.response ? (
              <Folded text={attempt.response} what="answer" code />
            ) : (
              <span className="hint about">The answer was empty.</span>
            )}
          </li>
        ))}
      </ol>
    </Disclosed>
  );
}

function ReplayButton({ delivery, onDone }: { delivery: Delivery; onDone: () => void }) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  if (delivery.status === "pending" && delivery.attempts.length === 0) return null;
  const replay = async () => {
    setBusy(true);
    setError(null);
    try {
      await client.webhooks.replay(delivery.id);
      announce("It is sent again.");
      onDone();
    } catch (fault) {
      setError(errorOf(fault));
    } finally {
      setBusy(false);
    }
  };
  const label = delivery.status === "pending" ? "Try now" : "Replay";
  return (
    <>
      <Button
        small
        tone="quiet"
        isPending={isBusy}
        aria-label={`${label}: ${shortOf(delivery.event)}, ${delivery.instance_id ?? "test"}`}
        onPress={() => void replay()}
      >
        <RotateCcw size={14} aria-hidden /> {label}
      </Button>
      {error && <span className="fault about">{error.message}</span>}
    </>
  );
}

function ReplaySince({ id, onDone }: { id: string; onDone: () => void }) {
  const { client } = useInterlock();
  const [since, setSince] = useState(() => localTime(Date.now() - 60 * 60 * 1000));
  return (
    <Asked
      label={
        <>
          <RotateCcw size={14} aria-hidden /> Replay since…
        </>
      }
      title="Deliver everything again since a time"
      submit="Deliver again"
      act={async () => {
        const done = await client.webhooks.replaySince(id, new Date(since).toISOString());
        announce(`${counted(done, "delivery", "deliveries")} sent again.`);
        onDone();
      }}
    >
      <p>
        All that was delivered, dropped or given up since then is sent again, in order, with the same delivery ids: a
        receiver that keeps these does nothing twice.
      </p>
      <TextField label="Since" type="datetime-local" value={since} onChange={setSince} />
    </Asked>
  );
}

/** A time as fields for times have it: in the browser's own time zone. */
function localTime(at: number): string {
  const shifted = at - new Date(at).getTimezoneOffset() * 60_000;
  return new Date(shifted).toISOString().slice(0, 16);
}
