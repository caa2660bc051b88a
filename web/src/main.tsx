// Where the console begins.
import { render } from "preact";
import "./style.css";
import { App } from "./app";
import { followAddress } from "./route";
import { followSettings } from "./settings";

followSettings();
followAddress();
render(<App />, document.getElementById("app")!);
