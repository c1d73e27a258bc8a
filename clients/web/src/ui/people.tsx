/**
 * Somebody is named: a person, or a group.
 *
 * Laws:
 * - Offered are those of the directory where it may be read, one's own groups, and whoever is named by what waits. Anybody
 *   else's id can be written: the server knows who there is.
 */

import { useMemo } from "react";
import { ComboBox, Input, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";
import { useInterlock, usePending } from "@interlock/client/react";
import { useSession } from "../session/context.ts";
import { base } from "../session/session.ts";
import { useAnswer } from "./use-answer.ts";

/** A person by their id, or `group:NAME`. */
export interface Named {
  readonly id: string;
  readonly name: string;
}

const GROUP = "group:";

/** Those who can be offered, groups last. */
export function usePeople(): readonly Named[] {
  const { pending } = usePending();
  const { userId, groups } = useInterlock().connection;
  const directory = useDirectory();
  return useMemo(() => {
    const named = new Map<string, string>();
    const add = (id: string, name = id) => named.set(id, named.get(id) ?? name);
    for (const each of directory) add(each.id, each.name);
    if (userId !== null) add(userId);
    for (const { run, pending: asked } of pending) for (const id of [run.user_id, ...(asked.assignees ?? [])]) add(id);
    for (const group of groups ?? []) add(GROUP + group);
    return [...named]
      .map(([id, name]) => ({ id, name: id.startsWith(GROUP) ? `Group ${id.slice(GROUP.length)}` : name }))
      .sort((a, b) => Number(a.id.startsWith(GROUP)) - Number(b.id.startsWith(GROUP)) || a.name.localeCompare(b.name));
  }, [pending, userId, groups, directory]);
}

const NOBODY: readonly Named[] = [];

/** The directory's people and groups, for those who may read it. */
function useDirectory(): readonly Named[] {
  const { token } = useSession();
  const { scopes } = useInterlock().connection;
  const may = scopes.includes("users:manage") || scopes.includes("admin");
  const { data } = useAnswer(`directory ${may}`, () => (may ? inDirectory(token ?? "") : Promise.resolve(NOBODY)));
  return data ?? NOBODY;
}

async function inDirectory(token: string): Promise<readonly Named[]> {
  const read = async (path: string): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${base}api/v1/${path}`, { headers: { Authorization: `Bearer ${token}` } });
    return answer.ok ? ((await answer.json()) as { data: Record<string, unknown> }).data : {};
  };
  const [{ users = [] }, { groups = [] }] = await Promise.all([read("users?limit=200"), read("groups")]);
  return [
    ...(users as { id: string; username: string }[]).map(({ id, username }) => ({ id, name: username })),
    ...(groups as { name: string }[]).map(({ name }) => ({ id: GROUP + name, name })),
  ];
}

/** The field. What is chosen or written is an id. */
export function PersonField(props: {
  label: string;
  people: readonly Named[];
  value: string;
  onChange: (id: string) => void;
  autoFocus?: boolean;
}) {
  const { label, people, value, onChange, autoFocus = false } = props;
  const shown = people.find(({ id }) => id === value)?.name ?? value;
  return (
    <ComboBox
      className="field"
      allowsCustomValue
      inputValue={shown}
      onInputChange={(text) => onChange(people.find(({ name }) => name === text)?.id ?? text)}
      defaultItems={people}
      autoFocus={autoFocus}
    >
      <Label className="label">{label}</Label>
      <Input className="input" autoComplete="off" />
      <Popover className="popover">
        <ListBox<Named>>
          {({ id, name }) => (
            <ListBoxItem id={id} textValue={name} className="list-item">
              <Text slot="label">{name}</Text>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
