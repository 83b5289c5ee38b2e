// What is said of the settings: why one was not set, or that it is.
import { setText } from './dom.js';

const problem = document.getElementById('settings-problem');
const done = document.getElementById('settings-done');

// Changes are numbered, so that an answer that comes late leaves what was said of a later one.
let changeOfProblem = 0;
// Settings are read whenever anybody changed one, which says nothing of a change that was refused.
let isOfReading = false;

export function say(text, change) {
  changeOfProblem = change;
  isOfReading = false;
  write(text);
}

// A change was made.
export function drop(change) {
  if (changeOfProblem <= change) write('');
}

export function sayUnread(text, change) {
  say(text, change);
  isOfReading = true;
}

export function dropUnread() {
  if (isOfReading) write('');
}

export function sayDone(text) {
  setText(done, text);
}

function write(text) {
  problem.hidden = !text;
  setText(problem, text);
}
