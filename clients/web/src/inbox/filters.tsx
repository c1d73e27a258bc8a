/** What of the inbox is shown: tabs, named views, search, filters and grouping, all in the address. */

import { useState } from "react";
import { BookmarkPlus, ListFilter, Search, X } from "lucide-react";
import { Dialog as Popup, DialogTrigger, Popover, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useInterlock } from "@interlock/client/react";
import { asksOf } from "../pauses/words.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Picker, TextField } from "../ui/fields.tsx";
import { counted } from "../ui/format.ts";
import { addressOf, askedBy, EVERYTHING, GROUPINGS, TABS, type Asked, type InboxItem } from "./items.ts";
import { useViews } from "./views.ts";

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
export function Filters(props: FiltersProps) {
  const { asked, items, onAsk } = props;
  const set = (part: Partial<Asked>) => onAsk({ ...asked, ...part });
  return (
    <div className="stack inbox-filters">
      <div className="bar centred">
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
        <span className="spacer" />
        <div className="search">
          <Search size={16} aria-hidden />
          <TextField
            label="Search"
            bare
            placeholder="Search"
            value={asked.search}
            onChange={(search) => set({ search })}
          />
        </div>
        <More {...props} />
      </div>
      <Chips {...props} />
    </div>
  );
}

type Filter = "workflow" | "kind" | "namespace";

/** The names of what can be filtered by, and of their values. */
function useFilters({ asked, items }: FiltersProps) {
  const { nameOf } = useWorkflows();
  const filters = [
    { key: "workflow", label: "Workflow", all: "All workflows", values: items.map((each) => each.workflow_id), nameOf },
    { key: "kind", label: "Kind", all: "All kinds", values: items.map(({ kind }) => kind), nameOf: asksOf },
    {
      key: "namespace",
      label: "Namespace",
      all: "All namespaces",
      values: items.flatMap(({ namespace }) => namespace ?? []),
      nameOf: (name: string) => name,
    },
  ] as const;
  return filters.filter(({ key, values }) => values.length > 0 || asked[key] !== "");
}

/** The filters that are looked for seldom, behind a button. */
function More(props: FiltersProps) {
  const { asked, onAsk } = props;
  const filters = useFilters(props);
  const many = filters.filter(({ key }) => asked[key] !== "").length + (asked.group === "none" ? 0 : 1);
  return (
    <DialogTrigger>
      <Button>
        <ListFilter size={16} aria-hidden /> Filter
        {many > 0 && (
          <span className="count">
            {many}
            <span className="unseen"> in use</span>
          </span>
        )}
      </Button>
      <Popover className="popover pad" placement="bottom end">
        <Popup className="stack filter-popup" aria-label="Filter">
          {filters.map(({ key, ...each }) => (
            <OneOf key={key} {...each} value={asked[key]} onChange={(value) => onAsk({ ...asked, [key]: value })} />
          ))}
          <Picker
            label="Groups"
            options={GROUPINGS.map((key) => ({ key, label: GROUPING_NAMES[key] }))}
            value={asked.group}
            onChange={(key) => onAsk({ ...asked, group: GROUPINGS.find((each) => each === key) ?? "none" })}
          />
        </Popup>
      </Popover>
    </DialogTrigger>
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

/** What narrows the list down, each to be taken away, and the views that have a name. */
function Chips(props: FiltersProps) {
  const { asked, onAsk } = props;
  const { userId } = useInterlock().connection;
  const { views, save, forget } = useViews(userId);
  const search = addressOf(asked);
  const current = views.find((view) => view.search === search);
  const narrowed: { key: Filter; label: string }[] = useFilters(props)
    .filter(({ key }) => asked[key] !== "")
    .map(({ key, label, nameOf }) => ({ key, label: `${label}: ${nameOf(asked[key])}` }));
  if (views.length === 0 && search === "") return null;
  return (
    <div className="chips" role="group" aria-label="Views and filters">
      {views.map((view) => (
        <ToggleButton
          key={view.name}
          className="toggle"
          isSelected={view === current}
          onChange={(is) => onAsk(is ? askedBy(view.search) : EVERYTHING)}
        >
          {view.name}
        </ToggleButton>
      ))}
      {current && (
        <Button small tone="quiet" onPress={() => forget(current.name)}>
          Forget this view
        </Button>
      )}
      {!current &&
        narrowed.map(({ key, label }) => (
          <Button key={key} small aria-label={`${label}. Take it away`} onPress={() => onAsk({ ...asked, [key]: "" })}>
            {label} <X size={14} aria-hidden />
          </Button>
        ))}
      {!current && search !== "" && (
        <>
          <SaveView onSave={(name) => save({ name, search })} taken={views.map(({ name }) => name)} />
          <Button small tone="quiet" onPress={() => onAsk(EVERYTHING)}>
            Show everything
          </Button>
        </>
      )}
    </div>
  );
}

function SaveView({ onSave, taken }: { onSave: (name: string) => void; taken: readonly string[] }) {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState("");
  const close = () => {
    setOpen(false);
    setName("");
  };
  return (
    <>
      <Button small tone="quiet" onPress={() => setOpen(true)}>
        <BookmarkPlus size={14} aria-hidden /> Save as a view…
      </Button>
      <Dialog title="Save this view" isOpen={isOpen} onClose={close}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() === "") return;
            onSave(name.trim());
            close();
          }}
        >
          <TextField
            label="Name"
            value={name}
            onChange={setName}
            autoFocus
            description={
              taken.includes(name.trim())
                ? "It takes the place of the view of this name."
                : `It is kept on this device${taken.length > 0 ? `, beside ${counted(taken.length, "other")}` : ""}.`
            }
          />
          <div className="actions">
            <Button type="submit" tone="primary" isDisabled={name.trim() === ""}>
              Save
            </Button>
            <Button tone="quiet" onPress={close}>
              Back
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
