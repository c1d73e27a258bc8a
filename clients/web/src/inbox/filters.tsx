/** What of the inbox is shown: tabs, search, filters and grouping, all in the address. */

import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { asksOf } from "../pauses/words.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Picker, TextField } from "../ui/fields.tsx";
import { GROUPINGS, TABS, type Asked, type InboxItem } from "./items.ts";

const TAB_NAMES: Record<Asked["tab"], string> = { all: "All", mine: "Mine", groups: "My groups" };
const GROUPING_NAMES: Record<Asked["group"], string> = {
  none: "Not grouped",
  workflow: "By workflow",
  kind: "By kind",
  namespace: "By namespace",
};

interface FiltersProps {
  asked: Asked;
  /** All there are: what is offered is what there is. */
  items: readonly InboxItem[];
  onAsk: (asked: Asked) => void;
}

/** The bar above the inbox. */
export function Filters({ asked, items, onAsk }: FiltersProps) {
  const { nameOf } = useWorkflows();
  const set = (part: Partial<Asked>) => onAsk({ ...asked, ...part });
  const namespaces = items.flatMap(({ namespace }) => namespace ?? []);
  return (
    <div className="bar">
      <ToggleButtonGroup
        className="toggles"
        aria-label="For whom"
        disallowEmptySelection
        selectedKeys={[asked.tab]}
        onSelectionChange={(keys) => set({ tab: TABS.find((each) => keys.has(each)) ?? "all" })}
      >
        {TABS.map((tab) => (
          <ToggleButton key={tab} id={tab} className="toggle">
            {TAB_NAMES[tab]} ({tab === "all" ? items.length : items.filter(({ scope }) => scope === tab).length})
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
      <TextField label="Search" value={asked.search} onChange={(search) => set({ search })} />
      <OneOf
        label="Workflow"
        all="All workflows"
        values={items.map(({ workflow_id }) => workflow_id)}
        nameOf={nameOf}
        value={asked.workflow}
        onChange={(workflow) => set({ workflow })}
      />
      <OneOf
        label="Kind"
        all="All kinds"
        values={items.map(({ kind }) => kind)}
        nameOf={asksOf}
        value={asked.kind}
        onChange={(kind) => set({ kind })}
      />
      {(namespaces.length > 0 || asked.namespace !== "") && (
        <OneOf
          label="Namespace"
          all="All namespaces"
          values={namespaces}
          nameOf={(name) => name}
          value={asked.namespace}
          onChange={(namespace) => set({ namespace })}
        />
      )}
      <Picker
        label="Groups"
        options={GROUPINGS.map((key) => ({ key, label: GROUPING_NAMES[key] }))}
        value={asked.group}
        onChange={(key) => set({ group: GROUPINGS.find((each) => each === key) ?? "none" })}
      />
    </div>
  );
}

/** No workflow, kind or namespace is called so. */
const ANY = " any";

function OneOf(props: {
  label: string;
  all: string;
  values: readonly string[];
  nameOf: (value: string) => string;
  value: string;
  onChange: (value: string) => void;
}) {
  const { label, all, values, nameOf, value, onChange } = props;
  const known = [...new Set(value === "" ? values : [...values, value])].sort();
  return (
    <Picker
      label={label}
      options={[{ key: ANY, label: all }, ...known.map((key) => ({ key, label: nameOf(key) }))]}
      value={value === "" ? ANY : value}
      onChange={(key) => onChange(key === ANY ? "" : key)}
    />
  );
}
