/** How large a task on the canvas is. */

export const NODE_SIZE = { width: 216, height: 60 };
