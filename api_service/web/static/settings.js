// Notifications, language and account.

import "./shell.js";
