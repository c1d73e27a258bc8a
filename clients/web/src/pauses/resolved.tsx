/** Who decided what, and when. */

import { Bot, Check, CornerUpLeft } from "lucide-react";
import type { DecisionView, JsonValue } from "@interlock/client";
import { Disclosed } from "../ui/disclosed.tsx";
import { Folded } from "../ui/folded.tsx";
import { Time } from "../ui/time.tsx";
import { Changes } from "./changes.tsx";
import { outputOf, type Question } from "./history.ts";
import { useScene } from "./run-context.ts";
import { deciderOf, decisionOf, detailsOf, isRefusal } from "./words.ts";

/** A decision, in the place of the form. */
export function Resolved(props: { decision: DecisionView; question: Question; isElsewhere: boolean }) {
  const { decision, question, isElsewhere } = props;
  const edited = decision.decision["edited_output"];
  return (
    <div className="resolved">
      <Verdict
        decision={decision}
        facts={decision.decision}
        words={decisionOf(decision.decision, question.kind)}
        isElsewhere={isElsewhere}
      />
      <Details facts={decision.decision} />
      {edited !== undefined && (
        <Disclosed title="What was changed">
          <Changes before={outputOf(question)} after={edited} />
        </Disclosed>
      )}
    </div>
  );
}

/** The line that says who decided what, and when. */
export function Verdict(props: {
  decision: DecisionView;
  /** What was decided, of one tool where the decision is about several. */
  facts: Readonly<Record<string, JsonValue>>;
  words: string;
  isElsewhere: boolean;
}) {
  const { decision, facts, words, isElsewhere } = props;
  const no = isRefusal(facts);
  const { userId } = useScene();
  const who = deciderOf(decision.resolvedBy, userId);
  const Icon = decision.resolvedBy === "timeout" ? Bot : no ? CornerUpLeft : Check;
  return (
    <p className={no ? "verdict no" : "verdict"}>
      <Icon size={16} aria-hidden />
      <span>
        <strong>{words}</strong> by {who}
        {isElsewhere && who === "you" && ", in another window or on another device"}
        {isElsewhere && who !== "you" && who !== "the timeout" && ", elsewhere"} · <Time at={decision.resolvedAt} />
      </span>
    </p>
  );
}

/** What else a decision says. */
export function Details({ facts }: { facts: Readonly<Record<string, JsonValue>> }) {
  const lines = detailsOf(facts);
  if (lines.length === 0) return null;
  return (
    <dl className="facts">
      {lines.map(([name, value], place) => (
        <div key={`${place} ${name}`}>
          <dt>{name}</dt>
          <dd>
            <Folded text={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What is shown of a question that nobody answered before the run ended. */
export function Withdrawn() {
  return <p className="hint">Nobody has to answer this any more.</p>;
}
