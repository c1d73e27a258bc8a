/** When a link leads on: what the task before must have done. */

import { Choice } from "../ui/fields.tsx";
import { useBoard } from "./board-context.ts";
import { conditionsFor, conditionSays, conditionWord } from "./looks.tsx";
import { conditionOf, taskIn, type Link } from "./model.ts";

interface ConditionProps {
  link: Link;
  onChange: (condition: string) => void;
}

/** The condition of a link. */
export function Condition({ link, onChange }: ConditionProps) {
  const { graph, types } = useBoard();
  const now = conditionOf(link);
  const conditions = conditionsFor(types.get(taskIn(graph, link.from)?.type ?? ""), now);
  return (
    <Choice
      label={`${link.to} runs when`}
      options={conditions.map((key) => ({
        key,
        label: conditionWord(key),
        description: conditionSays(key, link.from),
      }))}
      value={now}
      onChange={onChange}
    />
  );
}
