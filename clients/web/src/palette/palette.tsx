/**
 * The palette: type a few letters, and go to a page, a workflow, a view of the inbox, or something that waits.
 *
 * Laws:
 * - The focus stays in the field; the arrows move through what is found, Enter takes it, Escape leaves.
 */

import { useMemo, useState } from "react";
import { Bookmark, CornerDownLeft, Inbox, LogOut, SunMoon, Workflow as Machine, type LucideIcon } from "lucide-react";
import {
  Autocomplete,
  Collection,
  Dialog,
  Header,
  Input,
  Menu,
  MenuItem,
  MenuSection,
  Modal,
  ModalOverlay,
  SearchField,
  Text,
} from "react-aria-components";
import { useLocation } from "wouter";
import { useInterlock, usePending } from "@interlock/client/react";
import { addressOf, addressOfItem, byUrgency, EVERYTHING, itemOf, type InboxItem } from "../inbox/items.ts";
import { useViews } from "../inbox/views.ts";
import { iconOf } from "../pauses/icons.ts";
import { asksOf } from "../pauses/words.ts";
import { signOut } from "../session/leaving.ts";
import { useWorkflows } from "../session/workflows.ts";
import { useTheme } from "../ui/theme.ts";
import { foundIn, type Entry, type Section } from "./found.ts";

/** A page of the app, as the navigation has it. */
export interface Place {
  readonly to: string;
  readonly name: string;
  readonly icon: LucideIcon;
}

interface Command extends Entry {
  readonly icon: LucideIcon;
  readonly act: () => void;
}

/** The palette, while it is asked for. */
export function Palette({ places, onClose }: { places: readonly Place[]; onClose: () => void }) {
  return (
    <ModalOverlay className="overlay upper" isOpen onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal className="modal palette">
        <Dialog aria-label="Find">
          <Finder places={places} onClose={onClose} />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Finder({ places, onClose }: { places: readonly Place[]; onClose: () => void }) {
  const [written, setWritten] = useState("");
  const sections = useSections(places);
  const found = useMemo(() => foundIn(sections, written), [sections, written]);
  const take = (command: Command) => {
    onClose();
    command.act();
  };
  return (
    <Autocomplete inputValue={written} onInputChange={setWritten}>
      <SearchField aria-label="Find a page, a workflow, or what waits" className="palette-field" autoFocus>
        <Input className="palette-input" placeholder="Find a page, a workflow, or what waits…" />
      </SearchField>
      <Menu className="palette-list" items={found} aria-label="Found" renderEmptyState={nothing}>
        {(section) => (
          <MenuSection id={section.id}>
            <Header className="palette-title">{section.title}</Header>
            <Collection items={section.entries}>
              {(command) => (
                <MenuItem
                  id={command.id}
                  textValue={command.name}
                  className="list-item palette-item"
                  onAction={() => take(command)}
                >
                  <command.icon size={16} aria-hidden />
                  <Text slot="label" className="palette-label">
                    <span className="palette-name">{command.name}</span>{" "}
                    {command.hint !== undefined && <span className="hint palette-hint">{command.hint}</span>}
                  </Text>
                  <CornerDownLeft size={14} aria-hidden className="palette-enter" />
                </MenuItem>
              )}
            </Collection>
          </MenuSection>
        )}
      </Menu>
    </Autocomplete>
  );
}

function nothing() {
  return <p className="hint palette-nothing">Nothing is called so.</p>;
}

/** All that can be found, in the order in which it is offered. */
function useSections(places: readonly Place[]): Section<Command>[] {
  const [, navigate] = useLocation();
  const waiting = useWaits();
  const { userId } = useInterlock().connection;
  const { workflows, nameOf } = useWorkflows();
  const { views } = useViews(userId);
  const doing = useDoing();
  return useMemo(() => {
    const go = (to: string) => () => navigate(to);
    return [
      { id: "waits", title: "Waits for you", entries: waiting.map((item) => waits(item, nameOf, navigate)) },
      {
        id: "pages",
        title: "Pages",
        entries: places.map(({ to, ...rest }) => ({ id: `page ${to}`, ...rest, act: go(to) })),
      },
      {
        id: "views",
        title: "Views of the inbox",
        entries: [
          ...views.map(({ name, search }) => ({
            id: `view ${name}`,
            name,
            icon: Bookmark,
            act: go(`/inbox?${search}`),
          })),
          ...[...new Set(waiting.map((each) => each.workflow_id))].map((workflow) => ({
            id: `asked ${workflow}`,
            name: `Inbox: ${nameOf(workflow)}`,
            icon: Inbox,
            act: go(`/inbox?${addressOf({ ...EVERYTHING, workflow })}`),
          })),
        ],
      },
      {
        id: "workflows",
        title: "Runs of a workflow",
        entries: (workflows ?? []).map(({ id, name, description }) => ({
          id: `workflow ${id}`,
          name,
          hint: description ?? undefined,
          icon: Machine,
          act: go(`/runs?${new URLSearchParams({ workflow: id }).toString()}`),
        })),
      },
      doing,
    ];
  }, [places, navigate, waiting, workflows, nameOf, views, doing]);
}

/** What waits, in the order of the inbox. */
function useWaits(): readonly InboxItem[] {
  const { pending } = usePending();
  const { userId, groups } = useInterlock().connection;
  return useMemo(
    () => pending.map((each) => itemOf(each, { userId, groups })).sort(byUrgency),
    [pending, userId, groups],
  );
}

function waits(item: InboxItem, nameOf: (id: string) => string, navigate: (to: string) => void): Command {
  return {
    id: `item ${item.interaction_id}`,
    name: item.message,
    hint: `${asksOf(item.kind)} · ${nameOf(item.workflow_id)}${item.subject === "" ? "" : ` · ${item.subject}`}`,
    icon: iconOf(item.kind),
    act: () => navigate(addressOfItem(item.interaction_id)),
  };
}

/** What is done without going anywhere. */
function useDoing(): Section<Command> {
  const [theme, choose] = useTheme();
  return useMemo(() => {
    const dark = theme !== "dark";
    const name = dark ? "Dark appearance" : "Light appearance";
    return {
      id: "do",
      title: "Do",
      entries: [
        { id: "theme", name, icon: SunMoon, act: () => choose(dark ? "dark" : "light") },
        { id: "sign out", name: "Sign out", icon: LogOut, act: signOut },
      ],
    };
  }, [theme, choose]);
}
