// The streams of pictures: each over a WebSocket, which brings the next picture when it is asked for.
import { element, keyed, setText } from './dom.js';
import { isVideo, Video } from './video.js';
import { onChoice, wish } from './way.js';

const AGAIN_MS = 1000;
const CHOSEN_MS = 200;
const LINK = 'link';
const RATE_OVER_MS = 2000;

export function showStreams(topics) {
  keyed(document.getElementById('streams'), topics, (topic) => topic, (topic) => stream(topic));
  document.getElementById('no-streams').hidden = topics.length > 0;
}

// While the link is gone, nothing is asked for: a browser that waits for one answer asks for nothing
// else at the same address, so that the state would wait too.
let isLinkLost = false;

export function setLinkLost(isLost) {
  isLinkLost = isLost;
  document.dispatchEvent(new Event(LINK));
}

function stream(topic) {
  const canvas = element('canvas', { role: 'img', 'aria-label': `${topic}: no picture yet` });
  const rate = element('span', { class: 'muted' }, 'no picture yet');
  const pause = element('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  pause.setAttribute('aria-label', `Pause ${topic}`);
  const caption = element('figcaption', {}, element('span', {}, topic), rate, pause);
  const figure = element('figure', {}, canvas, caption);
  const pictures = new Pictures(topic, canvas, (text) => setText(rate, text));
  pause.addEventListener('click', () => {
    const paused = pause.getAttribute('aria-pressed') !== 'true';
    pause.setAttribute('aria-pressed', String(paused));
    pictures.setPaused(paused);
  });
  const seen = () => pictures.setHidden(document.hidden);
  const ending = new AbortController();
  document.addEventListener('visibilitychange', seen, { signal: ending.signal });
  onChoice(() => pictures.openAgain(true), ending.signal);
  document.addEventListener(LINK, () => pictures.update(), { signal: ending.signal });
  figure.addEventListener('gone', () => {
    ending.abort();
    pictures.close();
  });
  seen();
  return figure;
}

class Pictures {
  #topic;
  #canvas;
  #say;
  #socket = null;
  #timer = 0;
  #ticking = 0;
  #closed = false;
  #paused = false;
  #hidden = true;
  #shown = [];
  // What the server says of this viewer: pictures skipped for newer ones, and how they are reduced.
  #figures = null;
  #video = null;
  // H.264 was tried in vain: files are asked for until somebody chooses anew.
  #hasFailed = false;

  constructor(topic, canvas, say) {
    this.#topic = topic;
    this.#canvas = canvas;
    this.#say = say;
    this.#ticking = setInterval(() => this.#sayRate(), 1000);
  }

  setPaused(paused) {
    this.#paused = paused;
    this.update();
  }

  // Nobody looks at a page in the background: then nothing is sent, or drawn by the robot.
  setHidden(hidden) {
    this.#hidden = hidden;
    this.update();
  }

  close() {
    this.#closed = true;
    clearInterval(this.#ticking);
    this.update();
  }

  // Open what is wanted, and close what is not.
  update() {
    const wanted = !(this.#closed || this.#paused || this.#hidden || isLinkLost);
    clearTimeout(this.#timer);
    if (wanted && this.#socket === null) this.#open();
    if (!wanted) this.#leave();
    this.#sayRate();
  }

  openAgain(mayDecode) {
    this.#hasFailed = !mayDecode;
    this.#leave();
    // Who chooses by keys passes what is between.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.update(), CHOSEN_MS);
  }

  #leave() {
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
    this.#forget();
  }

  #forget() {
    this.#socket = null;
    this.#figures = null;
    this.#video?.close();
    this.#video = null;
  }

  #open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const query = new URLSearchParams({ topic: this.#topic, video: this.#hasFailed ? '' : wish() });
    const socket = new WebSocket(`${scheme}://${location.host}/pictures?${query}`);
    socket.binaryType = 'arraybuffer';
    const next = () => {
      if (socket.readyState === WebSocket.OPEN) socket.send('next');
    };
    // Pictures are read side by side, and shown in the order in which they came.
    let showing = Promise.resolve();
    socket.onmessage = (message) => {
      if (typeof message.data === 'string') {
        this.#figures = JSON.parse(message.data);
        return;
      }
      if (isVideo(message.data)) {
        this.#decode(message.data, next);
      } else {
        const read = createImageBitmap(new Blob([message.data])).catch(() => null);
        showing = showing.then(async () => {
          this.#show(await read, this.#socket === socket);
          next();
        });
      }
    };
    socket.onclose = () => {
      this.#forget();
      this.#timer = setTimeout(() => this.update(), AGAIN_MS);
    };
    this.#socket = socket;
  }

  #decode(data, next) {
    this.#video ??= new Video((frame) => {
      this.#draw(frame, frame.displayWidth, frame.displayHeight);
      next();
    }, () => this.openAgain(false));
    this.#video.decode(data);
  }

  // None is a picture that was damaged on its way to the robot's topic; the next one replaces it.
  #show(picture, isWanted) {
    if (picture && isWanted) this.#draw(picture, picture.width, picture.height);
    else picture?.close();
  }

  #draw(picture, width, height) {
    const canvas = this.#canvas;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.aspectRatio = `${width} / ${height}`;
      canvas.setAttribute(
        'aria-label', `${this.#topic}: pictures of ${width} by ${height} pixels`);
    }
    canvas.getContext('2d').drawImage(picture, 0, 0);
    picture.close();
    this.#shown.push(performance.now());
  }

  #sayRate() {
    const since = performance.now() - RATE_OVER_MS;
    this.#shown = this.#shown.filter((time) => time > since);
    const rate = this.#shown.length / (RATE_OVER_MS / 1000);
    const { skipped = 0, reduced = '', encoder = '', problem = '' } = this.#figures ?? {};
    if (this.#paused) this.#say('paused');
    else if (!rate) this.#say('no picture comes');
    else {
      const told = [`${rate.toFixed(1)} pictures/s`];
      if (skipped) told.push(`${skipped} skipped`);
      if (encoder) told.push(`H.264 by ${encoder}`);
      else if (this.#hasFailed) told.push('as MJPEG: this browser cannot decode its H.264');
      else if (problem) told.push(`as MJPEG: ${problem}`);
      if (reduced) told.push(`${reduced} for this link`);
      this.#say(told.join(', '));
    }
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('figures');
  }
}
