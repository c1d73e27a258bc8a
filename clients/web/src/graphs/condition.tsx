/** When a link leads on: what the task before must have done. */

import { useState } from "react";
import { Choice, TextField } from "../ui/fields.tsx";
import { conditionSays } from "./looks.tsx";
import { conditionOf, type Link } from "./model.ts";

const PORT = "port:";
const PLAIN = ["completed", "failed", "always"];

interface ConditionProps {
  link: Link;
  onChange: (condition: string) => void;
}

/** The condition of a link. */
export function Condition({ link, onChange }: ConditionProps) {
  const now = conditionOf(link);
  const [isPort, setPort] = useState(now.startsWith(PORT));
  const [name, setName] = useState(now.startsWith(PORT) ? now.slice(PORT.length) : "");
  const pick = (key: string) => {
    setPort(key === PORT);
    if (key !== PORT) onChange(key);
    else if (name !== "") onChange(PORT + name);
  };
  return (
    <>
      <Choice
        label={`${link.to} runs when`}
        options={[
          ...PLAIN.map((key) => ({ key, label: key, description: conditionSays(key, link.from) })),
          { key: PORT, label: "by its port", description: `${link.from} decided for one of its ways` },
        ]}
        value={isPort ? PORT : now}
        onChange={pick}
      />
      {isPort && (
        <TextField
          label="Name of the port"
          value={name}
          onChange={(next) => {
            setName(next);
            if (next !== "") onChange(PORT + next);
          }}
        />
      )}
    </>
  );
}
