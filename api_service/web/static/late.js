// Parts of a page that are loaded when they are first used.

import { loadStyle, openDialogs } from "./dom.js";

/** @type {Map<string, number>} */
const failures = new Map();

/**
 * Import a module of this folder, and load its stylesheet. Some browsers never fetch a URL again
 * whose import failed, so that each repeat uses another one.
 */
export async function loadLate(name, style) {
  const failed = failures.get(name) ?? 0;
  const url = failed ? `./${name}?${failed}` : `./${name}`;
  try {
    const [module] = await Promise.all([import(url), loadStyle(style)]);
    return module;
  } catch (error) {
    failures.set(name, failed + 1);
    throw error;
  }
}

/** Open the share sheet of a creation, or of a promise of one; `changed` gets each new state. */
export async function openShareSheet(creation, changed) {
  const before = openDialogs();
  const sheet = loadLate("share_sheet.js", "share.css");
  const [{ ShareSheet }, shared] = await Promise.all([sheet, creation]);
  if (openDialogs() === before) new ShareSheet(shared, changed).open();
}
