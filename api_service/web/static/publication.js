// `/soho/{username}/{creationId}`: the page works without this; it adds the share button.

import { find, toast } from "./dom.js";
import { session } from "./session.js";
import { shareAddress } from "./share.js";
import { refreshAccount } from "./shell.js";

const share = find("share", HTMLButtonElement);
share.hidden = false;
share.addEventListener("click", async () => {
  const message = await shareAddress(share.dataset.url, document.title);
  if (message) toast(message);
});
if (session()) refreshAccount({ isPublic: true }).catch(() => {});
