// The first page: what this is, and the wall.

import "./shell.js";
