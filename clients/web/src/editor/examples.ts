/** What a new machine can begin with: the examples of the documents, or the smallest machine that there is. */

/** A beginning. */
export interface Beginning {
  readonly key: string;
  readonly label: string;
  readonly description: string;
  readonly load: () => Promise<string>;
}

const SKELETON = `{
  "name": "my_machine",
  "description": "What it is for, in a sentence.",
  "initial_state": "ask",
  "states": {
    "ask": {
      "type": "halting",
      "presentation": {
        "type": "form",
        "title": "May it go on?",
        "fields": [{ "name": "approved", "type": "boolean", "label": "Go on", "required": true }]
      },
      "transitions": [
        { "target": "done", "condition": { "field": "approved", "equals": true } },
        { "target": "declined" }
      ]
    },
    "done": { "type": "terminal" },
    "declined": { "type": "terminal" }
  }
}
`;

type Raw = Promise<{ default: string }>;
const textOf = (raw: () => Raw) => () => raw().then((found) => found.default);

/** All of them. */
export const BEGINNINGS: readonly Beginning[] = [
  {
    key: "skeleton",
    label: "Smallest machine",
    description: "One question, two ways to end.",
    load: () => Promise.resolve(SKELETON),
  },
  {
    key: "purchase_approval",
    label: "Purchase approval",
    description: "A script, a form, a call by HTTP.",
    load: textOf(() => import("../../../../examples/machines/purchase_approval.json?raw")),
  },
  {
    key: "onboarding",
    label: "Onboarding",
    description: "Forms with dates and files.",
    load: textOf(() => import("../../../../examples/machines/onboarding.json?raw")),
  },
  {
    key: "order",
    label: "Order",
    description: "Two threads at a time.",
    load: textOf(() => import("../../../../examples/machines/order.json?raw")),
  },
  {
    key: "support_escalation",
    label: "Support escalation",
    description: "Timeouts, and who may answer.",
    load: textOf(() => import("../../../../examples/machines/support_escalation.json?raw")),
  },
];
