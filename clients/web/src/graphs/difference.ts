/** In what two graphs differ, in words. Pure. */

import { conditionOf, keyOf, type Graph } from "./model.ts";

/** What is in the second graph and not in the first, or otherwise there; each as a sentence. */
export function differences(one: Graph, other: Graph): string[] {
  const [before, after] = [tasksOf(one), tasksOf(other)];
  const said: string[] = [];
  for (const [id, text] of after) {
    if (!before.has(id)) said.push(`Task ${id} is there.`);
    else if (before.get(id) !== text) said.push(`Task ${id} is another.`);
  }
  for (const id of before.keys()) if (!after.has(id)) said.push(`Task ${id} is gone.`);
  const [links, otherLinks] = [linksOf(one), linksOf(other)];
  for (const [key, link] of otherLinks) {
    const known = links.get(key);
    if (!known) said.push(`${link.from} leads to ${link.to}.`);
    else if (known.condition !== link.condition) said.push(`${link.to} runs when ${link.from} is ${link.condition}.`);
  }
  for (const [key, { from, to }] of links) if (!otherLinks.has(key)) said.push(`${from} doesn’t lead to ${to}.`);
  if ((one.description ?? "") !== (other.description ?? "")) said.push("The description is another.");
  if (JSON.stringify(one.rest) !== JSON.stringify(other.rest)) said.push("Its settings are others.");
  return said;
}

function tasksOf(graph: Graph): Map<string, string> {
  return new Map(graph.tasks.map((task) => [task.id, JSON.stringify(task)]));
}

function linksOf(graph: Graph) {
  return new Map(graph.links.map((link) => [keyOf(link), { ...link, condition: conditionOf(link) }]));
}
