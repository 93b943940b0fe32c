// The page that a start without a network shows where no page is kept, at that page's address.

import { isReachable } from "./connection.js";
import "./shell.js";

const OWN_PATH = "/offline";
const CHECK_MS = 2_000;

async function reloadWhenReachable() {
  if (await isReachable()) location.reload();
  else setTimeout(reloadWhenReachable, CHECK_MS);
}

if (location.pathname !== OWN_PATH) setTimeout(reloadWhenReachable, CHECK_MS);
