/**
 * The open questions of the conversation, as the composer answers them.
 *
 * Laws:
 * - While something waits, a text is an answer; it begins a run only where the person says so.
 * - Where several wait, or the text was begun before anything did, it is asked which one it is for.
 */

import { useState } from "react";
import { CornerDownRight } from "lucide-react";
import type { Decision, Pending } from "@interlock/client";
import { answer, answeredBy } from "../pauses/answers.ts";
import { messageOf } from "../pauses/message.ts";
import { sentenceOf } from "../pauses/refusal.tsx";
import { Button } from "../ui/button.tsx";
import { Picker } from "../ui/fields.tsx";
import { lineOf } from "../ui/format.ts";
import { useOpenRuns, type Asking } from "./open-runs.ts";
import { replyTo } from "./replies.ts";

/** Stands for a new run among the questions. */
export const ANEW = "new";

/** What the composer answers, and what it asks back. */
export interface Answering {
  readonly asked: readonly Asking[];
  /** The question that a text answers, or `ANEW`; null where that has to be asked. */
  readonly target: string | null;
  readonly choose: (target: string) => void;
  /** What is asked back. */
  readonly back: { sentence: string; ways: readonly { label: string; take: () => void }[] } | null;
  /** Why the last answer was refused. */
  readonly fault: string | null;
  readonly isBusy: boolean;
  /** The text has changed. */
  readonly written: (text: string, before: string) => void;
  /** Answers with a text; `done` is called as soon as it is on its way, `restore` where it is refused. */
  readonly reply: (text: string, outcome: Outcome) => void;
}

interface Outcome {
  done: () => void;
  restore: () => void;
  startAnew: () => void;
}

type Back = Answering["back"];

/** What a question says, in one line. */
export function questionOf(pending: Pending, most = 60): string {
  return lineOf(messageOf(pending), most);
}

/** Which question a text is for. */
function useTarget(asked: readonly Asking[]) {
  const [picked, setPicked] = useState<string | null>(null);
  /** The text was begun when nothing waited. */
  const [begunAnew, setBegunAnew] = useState(false);
  const [only, ...others] = asked;
  const isPicked = picked === ANEW || asked.some(({ pending }) => pending.id === picked);
  const byItself = only === undefined ? ANEW : others.length > 0 || begunAnew ? null : only.pending.id;
  const pick = (next: string | null) => {
    setPicked(next);
    setBegunAnew(false);
  };
  return { target: only !== undefined && isPicked ? picked : byItself, pick, setBegunAnew };
}

/** Sends a decision, and tells what came of it. */
function useDecided(userId: string | null, pick: (next: null) => void) {
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const decide = async ({ run, pending }: Asking, decision: Decision, { done, restore }: Outcome) => {
    setBusy(true);
    done();
    const refused = await answer(answeredBy({ id: pending.id, decision }), () => run.decide(pending.id, decision));
    setBusy(false);
    pick(null);
    if (refused === null) return;
    setFault(sentenceOf(refused, pending.kind, userId));
    restore();
  };
  return { fault, setFault, isBusy, decide };
}

/** The questions that wait, and how a text answers them. */
export function useAnswering(userId: string | null): Answering {
  const asked = useOpenRuns().flatMap((run) => run.asks.map((pending) => ({ run, pending })));
  const { target, pick, setBegunAnew } = useTarget(asked);
  const { fault, setFault, isBusy, decide } = useDecided(userId, pick);
  const [back, setBack] = useState<Back>(null);
  if (back !== null && asked.length === 0) setBack(null);

  const replyWith = (asking: Asking, text: string, outcome: Outcome) => {
    const take = (decision: Decision) => {
      setBack(null);
      void decide(asking, decision, outcome);
    };
    const reply = replyTo(asking.pending, text);
    if ("decision" in reply) take(reply.decision);
    else setBack({ ...reply, ways: reply.ways.map((way) => ({ label: way.label, take: () => take(way.decision) })) });
  };
  const askWhich = (text: string, outcome: Outcome) => {
    const ways = asked.map((each) => ({
      label: questionOf(each.pending, 40),
      take: () => {
        pick(each.pending.id);
        replyWith(each, text, outcome);
      },
    }));
    const anew = () => {
      setBack(null);
      pick(ANEW);
      outcome.startAnew();
    };
    const sentence = asked.length > 1 ? "Which of these does it answer?" : "Does it answer what waits?";
    setBack({ sentence, ways: [...ways, { label: "None: start a new run", take: anew }] });
  };
  const reply = (text: string, outcome: Outcome) => {
    setFault(null);
    const asking = asked.find(({ pending }) => pending.id === target);
    if (asking === undefined) askWhich(text, outcome);
    else replyWith(asking, text, outcome);
  };
  const written = (text: string, before: string) => {
    setBack(null);
    setFault(null);
    if (before === "" || text === "") setBegunAnew(text !== "" && asked.length === 0);
  };
  const choose = (next: string) => {
    setBack(null);
    pick(next);
  };
  return { asked, target, choose, back, fault, isBusy, written, reply };
}

/** What the text below is for. */
export function Target({ answering }: { answering: Answering }) {
  const { asked, target, choose } = answering;
  const [only, ...others] = asked;
  if (only === undefined) return null;
  const options = asked.map(({ run, pending }) => ({
    key: pending.id,
    label: questionOf(pending),
    description: `${pending.requirement.step_name} · ${run.name}`,
  }));
  return (
    <div className="target">
      <CornerDownRight size={16} aria-hidden />
      {target === ANEW ? (
        <>
          <span className="target-words">Starts a new run</span>
          <Button tone="quiet" small onPress={() => choose(only.pending.id)}>
            Answer instead
          </Button>
        </>
      ) : (
        <>
          {others.length === 0 ? (
            <span className="target-words">
              Answers <strong>{questionOf(only.pending)}</strong>
            </span>
          ) : (
            <Picker
              label="Question"
              bare
              options={options}
              value={target}
              placeholder={`${asked.length} questions wait: which one?`}
              onChange={choose}
            />
          )}
          <Button tone="quiet" small onPress={() => choose(ANEW)}>
            New run instead
          </Button>
        </>
      )}
    </div>
  );
}

/** What is asked back about a text, and the ways to go on. */
export function AskedBack({ answering }: { answering: Answering }) {
  const { back } = answering;
  return (
    <div className="asked-back" role="status" aria-label="Asked back">
      {back && (
        <>
          <span>{back.sentence}</span>
          {back.ways.map(({ label, take }) => (
            <Button key={label} small onPress={take}>
              {label}
            </Button>
          ))}
        </>
      )}
    </div>
  );
}
