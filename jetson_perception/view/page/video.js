// H.264 of one stream, decoded by WebCodecs, which browsers have on localhost and over TLS alone.

// See `HEADER` of view/h264.py: whether it needs none before it, what is encoded, microseconds.
const HEADER_BYTES = 12;
const TRIED = 'avc1.42E01F';
// A decoder that gives nothing out for so long is given up.
const PATIENCE_MS = 3000;

export async function canDecode() {
  if (!isSecureContext || !('VideoDecoder' in window)) return false;
  // The page waits for it, so no answer is one, too.
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, { supported: false }));
  try {
    const asked = VideoDecoder.isConfigSupported({ codec: TRIED });
    return (await Promise.race([asked, late])).supported;
  } catch {
    return false;
  }
}

// Files begin with other bytes.
export function isVideo(data) {
  return data.byteLength > HEADER_BYTES && new DataView(data).getUint8(0) <= 1;
}

export class Video {
  #decoder;
  #codec = '';
  #fail;
  #timer = 0;

  // `show` is called with each VideoFrame, which it closes; `fail` once, if there will be no more.
  constructor(show, fail) {
    this.#fail = fail;
    this.#decoder = new VideoDecoder({
      output: (frame) => {
        this.#wait(this.#decoder.decodeQueueSize > 0);
        show(frame);
      },
      error: () => this.#failed(),
    });
  }

  decode(data) {
    try {
      const head = new DataView(data);
      const isKey = head.getUint8(0) === 1;
      const codec = `avc1.${[1, 2, 3].map((at) => head.getUint8(at).toString(16).padStart(2, '0')).join('')}`;
      if (isKey && codec !== this.#codec) {
        this.#decoder.configure({ codec, optimizeForLatency: true });
        this.#codec = codec;
      }
      this.#decoder.decode(new EncodedVideoChunk({
        type: isKey ? 'key' : 'delta',
        timestamp: Number(head.getBigInt64(4)),
        data: new Uint8Array(data, HEADER_BYTES),
      }));
      this.#wait(true);
    } catch {
      this.#failed();
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#fail = () => {};
    if (this.#decoder.state !== 'closed') this.#decoder.close();
  }

  #wait(isExpected) {
    clearTimeout(this.#timer);
    if (isExpected) this.#timer = setTimeout(() => this.#failed(), PATIENCE_MS);
  }

  #failed() {
    const fail = this.#fail;
    this.close();
    fail();
  }
}
