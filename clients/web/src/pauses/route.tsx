/** The routes of a router, of which a person selects one or several. */

import { useState } from "react";
import { CheckboxGroup, FieldError, Label } from "react-aria-components";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { Checkbox, Choice, OptionDescription, type Option } from "../ui/fields.tsx";
import type { StepQuestion } from "./confirmation.tsx";
import { useDecide } from "./use-decide.ts";

/** The form of a route selection. */
export function RouteForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const { send, faultOf } = useDecide(question.id);
  const [selected, setSelected] = useDraft<string[]>(`${question.id}/routes`, []);
  const [isAsked, setAsked] = useState(false);
  const { allow_multiple_selections: several = false } = question.requirement;
  const missing = isAsked && selected.length === 0 ? "Select a route." : undefined;
  const error = faultOf("selected_choices") ?? missing;
  const options = optionsOf(question);
  return (
    <form
      className="stack"
      aria-label="Routes"
      onSubmit={(event) => {
        event.preventDefault();
        setAsked(true);
        if (selected.length > 0) send({ selected_choices: selected });
      }}
    >
      {several ? (
        <Several label="Routes" options={options} value={selected} onChange={setSelected} error={error} />
      ) : (
        <Choice
          label="Route"
          options={options}
          value={selected[0] ?? null}
          onChange={(key) => setSelected([key])}
          error={error}
        />
      )}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          {several ? "Take these routes" : "Take this route"}
        </Button>
      </div>
    </form>
  );
}

function optionsOf({ requirement }: StepQuestion): Option[] {
  const described = new Map(requirement.choices?.map((choice) => [choice.key, choice]));
  const names = requirement.available_choices ?? [...described.keys()];
  return names.map((key) => {
    const choice = described.get(key);
    return { key, label: choice?.label ?? key, description: choice?.description };
  });
}

/** Any number of options. */
export function Several(props: {
  label: string;
  options: readonly Option[];
  value: string[];
  onChange: (value: string[]) => void;
  error?: string | undefined;
}) {
  const { label, options, value, onChange, error } = props;
  return (
    <CheckboxGroup className="field" value={value} onChange={onChange} isInvalid={Boolean(error)}>
      <Label className="label">{label}</Label>
      {options.map((option) => (
        <Checkbox key={option.key} value={option.key} description={<OptionDescription {...option} />}>
          {option.label}
        </Checkbox>
      ))}
      <FieldError className="fault">{error}</FieldError>
    </CheckboxGroup>
  );
}
