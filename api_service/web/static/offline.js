// The page that a start without a network gets where no page is kept.

import "./shell.js";

addEventListener("online", () => location.reload());
