// What is said of the settings: why one was not set, or that it is.
import { setText } from './dom.js';

const problem = document.getElementById('settings-problem');
const done = document.getElementById('settings-done');

// Changes are numbered, so that an answer that comes late leaves what was said of a later one.
let changeOfProblem = 0;

export function say(text, change) {
  changeOfProblem = change;
  write(text);
}

export function drop(change) {
  if (changeOfProblem <= change) write('');
}

export function sayDone(text) {
  setText(done, text);
}

function write(text) {
  problem.hidden = !text;
  setText(problem, text);
}
