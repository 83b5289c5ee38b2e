// One parameter as the page sets it: what the node has, one change under way, and one that waits.
import { drop, say, sayDone } from './setting_problem.js';

let changes = 0;
let sending = 0;
let idle = () => {};

// A number that grows with each change, and whether one is under way; `whenIdle` waits for its end.
export const changeCount = () => changes;
export const isSending = () => sending > 0;
export const whenIdle = () => (isSending() ? new Promise((done) => {
  const before = idle;
  idle = () => { before(); done(); };
}) : Promise.resolve());

export class Setting {
  #parameter;
  // What the node has.
  #confirmed;
  #waiting = null;
  #isSending = false;
  #show;
  #merge;

  // `show` is called with a value that the control should have, and leaves one that somebody moves.
  // `merge` makes one value of an older one, and of a change that came after it.
  constructor(parameter, value, show, merge = (_, newer) => newer) {
    this.#parameter = parameter;
    this.#confirmed = value;
    this.#show = show;
    this.#merge = merge;
  }

  // Send a value, once the one before is answered; a newer one takes the place of one that waits.
  change(value) {
    changes += 1;
    this.#waiting = {
      value: this.#waiting ? this.#merge(this.#waiting.value, value) : value, change: changes,
    };
    if (!this.#isSending) this.#send();
  }

  // What was read of the node.
  read(value) {
    this.#confirmed = value;
    this.rest();
  }

  // Show what the node has, unless it is about to get something else.
  rest() {
    if (!this.#isSending) this.#show(this.#confirmed);
  }

  async #send() {
    this.#isSending = true;
    sending += 1;
    while (this.#waiting) {
      const { value, change } = this.#waiting;
      this.#waiting = null;
      if (await this.#isTaken(value, change)) this.#confirmed = this.#merge(this.#confirmed, value);
      this.#show(this.#waiting ? this.#merge(this.#confirmed, this.#waiting.value) : this.#confirmed);
    }
    this.#isSending = false;
    sending -= 1;
    if (!sending) {
      const waited = idle;
      idle = () => {};
      waited();
    }
  }

  async #isTaken(value, change) {
    const { node, name } = this.#parameter;
    try {
      const response = await fetch('/parameters', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ node, name, value }),
      });
      if (response.ok) {
        drop(change);
        sayDone(`${name} is set`);
        return true;
      }
      const text = await response.text();
      say(response.status === 422 ? JSON.parse(text).error : text, change);
    } catch (error) {
      say(`${name} was not set: ${error.message}`, change);
    }
    return false;
  }

  // Say why a change cannot be made; no answer to one before wipes it out.
  refuse(text) {
    changes += 1;
    say(text, changes);
  }
}
