/** What a type of tasks is called while it is dragged from the list onto the canvas. */

export const DRAGGED = "application/x-interlock-task";
