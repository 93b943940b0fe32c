// A stand-in for https://apis.google.com/js/api.js and the library that it loads, which are on
// Google's servers only: the few calls of `gapi.iframes` that Firebase's SDK and the emulator's frame
// make, over `postMessage`. Like the original, it loads its library by a URL of its own policy.
(() => {
  const LIBRARY = "https://apis.google.com/_/scs/abc-static/_/js/k=gapi.lb.en/m=gapi_iframes";
  const ACT = "gapi-stand-in";
  let calls = 0;
  const answers = {};

  const answer = ({ answerTo, payload }) => {
    try {
      answers[answerTo]?.(payload);
    } catch {} // the SDK throws after it has taken an answer
  };

  const channel = (other) => {
    const handlers = {};
    let early = [];
    const handle = async (data) => {
      if (!handlers[data.name]) return early.push(data);
      const payload = [await handlers[data.name](data.payload)];
      other.postMessage({ act: ACT, answerTo: data.id, payload }, "*");
    };
    const register = (name, handler) => {
      handlers[name] = handler;
      const waiting = early;
      early = [];
      waiting.forEach(handle);
    };
    addEventListener("message", ({ source, data }) => {
      if (source === other && data?.act === ACT) (data.answerTo ? answer : handle)(data);
    });
    const send = (name, payload, callback) => {
      const id = `${location.origin} ${++calls}`;
      answers[id] = callback;
      other.postMessage({ act: ACT, id, name, payload }, "*");
    };
    return { register, send };
  };

  const open = ({ url, where, attributes }, callback) => {
    const { style, ...others } = attributes;
    const frame = document.createElement("iframe");
    Object.assign(frame.style, style);
    for (const [name, value] of Object.entries(others)) frame.setAttribute(name, value);
    where.append(frame);
    frame.src = url;
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    const whole = { ...channel(frame.contentWindow), restyle: async () => {} };
    return callback({ ...whole, ping: (done) => loaded.then(() => done()) });
  };

  const iframes = {
    CROSS_ORIGIN_IFRAMES_FILTER: {},
    Iframe: class {},
    getContext: () => ({ open, getParentIframe: () => channel(parent) }),
  };

  const pass = (text) => text;
  const policies = globalThis.trustedTypes;
  const policy = policies?.createPolicy("gapi#gapi", { createScriptURL: pass, createHTML: pass });
  window.gapi = {
    load(_, { callback }) {
      const script = document.createElement("script");
      script.src = policy ? policy.createScriptURL(LIBRARY) : LIBRARY;
      script.onload = () => {
        policies?.createPolicy("goog#html", { createHTML: pass });
        gapi.iframes = iframes;
        callback();
      };
      document.head.append(script);
    },
  };
  const name = new URL(document.currentScript.src).searchParams.get("onload") ?? "gapi_onload";
  window[name]?.();
})();
