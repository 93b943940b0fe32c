// The balance, and every movement of tokens in words.

import "./shell.js";
