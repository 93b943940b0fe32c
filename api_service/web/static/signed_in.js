// The first page draws nothing before this: users who are signed in go straight to their form.

import { session } from "./session.js";

if (session()) location.replace("/create");
