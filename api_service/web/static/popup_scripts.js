// Trusted Types for pop-ups: the one URL that Firebase's SDK loads by text, and no markup.

const LOADER = /^https:\/\/apis\.google\.com\/js\/api\.js\?onload=__iframefcb\d{1,6}$/;

export function allowPopupLoader() {
  globalThis.trustedTypes?.createPolicy("default", {
    createScriptURL: (url) => (LOADER.test(url) ? url : null),
  });
}
