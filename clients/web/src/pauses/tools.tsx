/**
 * The tool calls that an agent waits for, each decided by itself.
 *
 * Laws:
 * - Each tool shows its name and its arguments before anybody may let it run.
 * - What is decided of one says nothing about the others; those that want a yes or no may be approved together, each with
 *   what is written in its form: all of them, or none where one can't be sent.
 */

import { useState } from "react";
import { Wrench } from "lucide-react";
import { isFinal, waitingTools, type DecisionView, type ExecutorRequirement } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Folded } from "../ui/folded.tsx";
import { Notice } from "../ui/notice.tsx";
import { answer, isFromElsewhere } from "./answers.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { useFocusKept } from "./focus-kept.ts";
import { Details, Verdict } from "./resolved.tsx";
import { Refusal } from "./refusal.tsx";
import { useScene } from "./run-context.ts";
import { approvalOf, ToolForm } from "./tool.tsx";
import { argumentsOf, kindOfTool } from "./tool-kinds.ts";
import { toolDecisionOf } from "./words.ts";

/** All tools of a pause; whoever may not decide (`may`) sees them without forms. */
export function ToolsForm({ question, may }: { question: StepQuestion; may: boolean }) {
  const { pending, decide } = useScene();
  const now = pending.get(question.id);
  const waiting = now ? waitingTools(now) : [];
  const plain = waiting.filter((tool) => kindOfTool(tool) === "confirmation");
  const [wrong, setWrong] = useState<readonly string[]>([]);
  const approveAll = () => {
    const approved = plain.flatMap((tool) => approvalOf(tool) ?? []);
    const broken = plain.filter((tool) => approvalOf(tool) === null);
    setWrong(broken.map(nameOfTool));
    if (broken.length > 0) return;
    const ids = approved.map((tool) => tool.id);
    void answer(ids, () => decide(question.id, { executor_requirements: approved }));
  };
  return (
    <div className="stack">
      {(question.requirement.executor_requirements ?? []).map((tool) => (
        <ToolCard key={tool.id} question={question} tool={tool} may={may} />
      ))}
      {may && plain.length > 1 && (
        <div className="actions">
          <Button onPress={approveAll}>Approve all {plain.length}</Button>
          <span className="hint">{plain.map(nameOfTool).join(", ")}</span>
        </div>
      )}
      {wrong.length > 0 && (
        <Notice tone="fault">
          None was approved: the changed arguments of {wrong.join(", ")} can’t be sent as they are. Mend them, or
          approve the others one by one.
        </Notice>
      )}
    </div>
  );
}

function nameOfTool(tool: ExecutorRequirement): string {
  return tool.tool_execution?.tool_name ?? "tool";
}

function ToolCard({ question, tool, may }: { question: StepQuestion; tool: ExecutorRequirement; may: boolean }) {
  const { view, pending, decisions } = useScene();
  const decided = decisionOn(tool.id, decisions.get(question.id) ?? []);
  const now = pending.get(question.id);
  const waits = now !== undefined && waitingTools(now).some((each) => each.id === tool.id);
  const name = nameOfTool(tool);
  const focus = useFocusKept(tool.id, decided === null);
  return (
    <section {...focus} className="tool" aria-label={`Tool ${name}`}>
      <p className="tool-name">
        <Wrench size={14} aria-hidden /> <code>{name}</code>
      </p>
      <Arguments tool={tool} />
      {decided ? (
        <>
          <Verdict
            decision={decided.by}
            facts={decided.facts}
            words={toolDecisionOf(decided.facts)}
            isElsewhere={isFromElsewhere(question.id) && isFromElsewhere(tool.id)}
          />
          <Details facts={decided.facts} />
        </>
      ) : (
        may && !isFinal(view.status) && <ToolForm question={question} tool={tool} isBusy={!waits} />
      )}
      <Refusal id={tool.id} kind="executor_input" isOver={decided !== null} />
    </section>
  );
}

function Arguments({ tool }: { tool: ExecutorRequirement }) {
  const found = argumentsOf(tool);
  if (found.length === 0) return <p className="hint">It takes no arguments.</p>;
  return (
    <dl className="facts args">
      {found.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Folded text={value} what="argument" code />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function decisionOn(id: string, decisions: readonly DecisionView[]) {
  for (const by of decisions) {
    const tools = by.decision["executor_requirements"];
    for (const each of Array.isArray(tools) ? tools : []) {
      if (typeof each === "object" && each !== null && !Array.isArray(each) && each["id"] === id)
        return { by, facts: each };
    }
    // A timeout decides the pause as a whole.
    if (!Array.isArray(tools))
      return { by, facts: { ...by.decision, confirmation: by.decision["confirmed"] ?? false } };
  }
  return null;
}
